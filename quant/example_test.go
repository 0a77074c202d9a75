package quant_test

import (
	"fmt"

	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func Example() {
	x := []float32{-1, -0.5, 0, 0.75, 1.5, 9}
	s := quant.UInt8()
	scale, zero, _ := quant.ONNX.ScaleZero(s, -1, 1.55)
	lo, hi := s.Range()
	l, _ := s.Layout(tensor.Shape{len(x)})
	codes, mask := make([]uint8, len(x)), make([]byte, 1)
	quant.QuantizeCodes(quant.ONNX, codes, mask, x, []float32{scale}, []int32{zero}, lo, hi, l, 0, len(x))
	fmt.Println(s, scale, zero)
	fmt.Printf("%v %08b\n", codes, mask)
	// Output:
	// uint8 affine per_tensor 0.01 100
	// [0 50 100 175 250 255] [00011111]
}

func ExampleQuantizeMultiplier() {
	q, shift := quant.QuantizeMultiplier(0.0371)
	m := quant.Multiplier{Q: q, Shift: shift}
	double, _ := quant.TFLite.Requantize(49986, m, 0, -32768, 32767)
	single, _ := quant.TFLiteSingle.Requantize(49986, m, 0, -32768, 32767)
	fmt.Println(q, shift, double, single)
	// Output: 1274746293 -4 1855 1854
}
