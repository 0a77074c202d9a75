package train

import "github.com/goqat/goqat/tensor"

// zeros is a data set of zeros.
type zeros struct{}

func (zeros) Len() int             { return 64 }
func (zeros) Shape() tensor.Shape  { return tensor.Shape{12, 12, 1} }
func (zeros) Classes() int         { return 4 }
func (zeros) ClassNames() []string { return nil }
func (zeros) Sample(i int, x []float32) (int32, error) {
	clear(x)
	x[i%len(x)] = 1
	return int32(i % 4), nil
}
