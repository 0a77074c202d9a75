package backend

import (
	"errors"
	"fmt"
	"math"
)

// ErrWindow is wrapped by the faults of a [Window]: it does not fit its input
// or its numbers make no sense.
var ErrWindow = errors.New("backend: bad window")

// Window says how a kernel slides over an image: height first, then width.
// Pad lists top, left, bottom, right. A zero Stride or Dilation means 1.
// On sequences [batch, length, channels] the width entries count and those
// of the height are ignored.
type Window struct {
	Stride, Dilation [2]int
	Pad              [4]int
}

// maxWindow bounds kernel sizes, strides, dilations and pads, so that no sum
// or product of two of them overflows an int64.
const maxWindow = 1 << 20

// Normal returns the window with zero strides and dilations replaced by 1.
func (w Window) Normal() Window {
	for i := range 2 {
		w.Stride[i] = max(w.Stride[i], 1)
		w.Dilation[i] = max(w.Dilation[i], 1)
	}
	return w
}

// Length returns the window of a sequence seen as an image of height 1.
func (w Window) Length() Window {
	w.Stride[0], w.Dilation[0], w.Pad[0], w.Pad[2] = 1, 1, 0, 0
	return w
}

// Output returns the size of the result for an input and a kernel of these
// sizes, a dimension
//
//	floor((in + pads - dilation * (kernel - 1) - 1) / stride) + 1
//
// as ONNX Conv. It fails with [ErrWindow] when the kernel does not fit the
// padded input.
func (w Window) Output(in, kernel [2]int) ([2]int, error) { return w.output(in, kernel, false) }

// output is Output; with ceil it rounds up, but leaves out a last window that
// would start beyond the input and its left padding (as PyTorch and ONNX from
// opset 19 on).
func (w Window) output(in, kernel [2]int, ceil bool) ([2]int, error) {
	var out [2]int
	for i, side := range [2]string{"height", "width"} {
		s, d, before, after, k := w.Stride[i], w.Dilation[i], w.Pad[i], w.Pad[i+2], kernel[i]
		if s < 0 || d < 0 || before < 0 || after < 0 || k < 1 || in[i] < 0 ||
			max(s, d, before, after, k) > maxWindow {
			return out, fmt.Errorf("%w: %s: kernel %d, stride %d, dilation %d, padding %d and %d, input %d", ErrWindow, side, k, s, d, before, after, in[i])
		}
		s, d = max(s, 1), max(d, 1)
		span := int64(in[i]) + int64(before) + int64(after) - int64(d)*int64(k-1) - 1
		if span < 0 {
			return out, fmt.Errorf("%w: %s: kernel %d with dilation %d is larger than the input of %d with padding %d and %d", ErrWindow, side, k, d, in[i], before, after)
		}
		o := span/int64(s) + 1
		if ceil {
			o = (span+int64(s)-1)/int64(s) + 1
			if (o-1)*int64(s) >= int64(in[i])+int64(before) {
				o--
			}
		}
		if o > math.MaxInt32 {
			return out, fmt.Errorf("%w: %s: result of %d is too large", ErrWindow, side, o)
		}
		out[i] = int(o)
	}
	return out, nil
}

// pool returns the size of the result of a pooling with this window, which
// must have less padding than kernel on every side.
func (w Window) pool(in, kernel [2]int, ceil bool) ([2]int, error) {
	out, err := w.output(in, kernel, ceil)
	if err != nil {
		return out, err
	}
	for i, p := range w.Pad {
		if k := kernel[i%2]; int64(p) > int64(max(w.Dilation[i%2], 1))*int64(k-1) {
			return out, fmt.Errorf("%w: padding %d reaches over the whole kernel of %d", ErrWindow, p, k)
		}
	}
	return out, nil
}
