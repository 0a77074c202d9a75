package data

import (
	"context"

	"github.com/goqat/goqat/tensor"
)

// maxTextFile bounds the text that is read: windows are numbered by an int32.
const maxTextFile = 1 << 30

// windows is a data set of next-byte prediction: sample i is bytes i to
// i+window-1 as numbers, shape [window], and its class is the byte after them.
type windows struct {
	meta
	text []byte
}

func (w *windows) Len() int { return len(w.text) - w.shape[0] }

func (w *windows) Sample(i int, x []float32) (int32, error) {
	if err := w.checkSample(i, w.Len(), x); err != nil {
		return 0, err
	}
	for j, b := range w.text[i : i+len(x)] {
		x[j] = float32(b)
	}
	return int32(w.text[i+len(x)]), nil
}

// openText divides the text once, so that no window of one part has bytes of the
// other.
func openText(_ context.Context, path string, opt *Options) (*Splits, error) {
	text, err := readFile(path, maxTextFile)
	if err != nil {
		return nil, err
	}
	val := max(int(float64(len(text))*opt.ValFraction), opt.Window+1)
	if len(text)-val < opt.Window+1 {
		return nil, badData(path, "%d bytes are too few for training and validation windows of %d; use a smaller window", len(text), opt.Window)
	}
	m := meta{tensor.Shape{opt.Window}, 256, nil}
	cut := len(text) - val
	return &Splits{Train: &windows{m, text[:cut:cut]}, Val: &windows{m, text[cut:]}}, nil
}
