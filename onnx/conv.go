package onnx

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("Conv", opReader{class: layoutSpatial, read: readConv})
	registerWriter(backend.Conv{}, opWriter{class: layoutSpatial, write: func(e *emit) error {
		x, err := e.in(0, formFirst)
		if err != nil {
			return err
		}
		w, err := e.convWeight(1, nil)
		if err != nil {
			return err
		}
		bias, err := e.optional(2)
		if err != nil {
			return err
		}
		e.node1("Conv", []string{x, w, bias}, e.out(formFirst), convAttributes(e.n.Op.(backend.Conv), e.n.In[1].Shape())...)
		return nil
	}})
}

func readConv(c *call) error {
	if err := c.inputs(2, 3); err != nil {
		return err
	}
	op, err := c.convAttributes(c.in[0], c.in[1])
	if err != nil {
		return err
	}
	w, err := c.convWeight(1)
	if err != nil {
		return err
	}
	in := []graph.Value{c.last(0), w}
	if b := c.x(2); b != nil {
		v, err := c.plainAs(b, roleWeight)
		if err != nil {
			return err
		}
		in = append(in, v)
	}
	c.set(0, formLast, c.one(op, in...))
	return c.err
}

// convWeight returns a weight [o, i, kh, kw] as [o, kh, kw, i].
func (c *call) convWeight(i int) (graph.Value, error) {
	w := c.in[i]
	if len(w.dims) != 3 && len(w.dims) != 4 {
		return graph.Value{}, unsupportedf("a convolution of %d dimensions", len(w.dims)-2)
	}
	return c.viewOf(w, permView(w.dims, toLast(len(w.dims))), roleWeight)
}

// convAttributes reads the attributes that all convolutions have.
func (c *call) convAttributes(x, w *value) (backend.Conv, error) {
	var op backend.Conv
	if len(x.dims) != len(w.dims) || len(x.dims) != 3 && len(x.dims) != 4 {
		return op, unsupportedf("a convolution of %v with %v", x.dims, w.dims)
	}
	kernel := w.dims[2:]
	if k, ok := c.ints("kernel_shape"); ok && !tensor.Shape(k).Equal(kernel) {
		return op, formatf("kernel_shape %v for weights %v", k, w.dims)
	}
	win, err := c.window(x.dims[2:], kernel)
	if err != nil {
		return op, err
	}
	g := c.intAttr("group", 1)
	if c.err == nil && (g < 1 || g > int64(max(w.dims[0], 1))) {
		return op, formatf("group %d", g)
	}
	return backend.Conv{Window: win, Groups: int(g)}, c.err
}

// window reads strides, dilations and padding for an input and a kernel of
// these sizes.
func (c *call) window(in, kernel []int) (backend.Window, error) {
	var w backend.Window
	n := len(in)
	list := func(name string, count, least int) []int {
		v, ok := c.ints(name)
		if !ok {
			v = make([]int, count)
			for i := range v {
				v[i] = least
			}
		}
		if len(v) != count {
			c.fail(formatf("attribute %q has %d values, want %d", name, len(v), count))
			return make([]int, count)
		}
		for _, x := range v {
			if x < least {
				c.fail(formatf("attribute %q is %v", name, v))
			}
		}
		return v
	}
	strides, dilations := list("strides", n, 1), list("dilations", n, 1)
	auto := c.text("auto_pad", "NOTSET")
	if auto == "" {
		auto = "NOTSET"
	}
	given := c.has("pads")
	pads := list("pads", 2*n, 0)
	if c.err != nil {
		return w, c.err
	}
	if given && auto != "NOTSET" {
		for _, p := range pads {
			if p != 0 {
				return w, formatf("both auto_pad and pads are given")
			}
		}
	}
	for i := range n {
		k := i + 2 - n // height and width; a sequence has the latter only
		w.Stride[k], w.Dilation[k] = strides[i], dilations[i]
		switch auto {
		case "NOTSET":
			w.Pad[k], w.Pad[k+2] = pads[i], pads[n+i]
		case "VALID":
		case "SAME_UPPER", "SAME_LOWER":
			total := samePad(in[i], kernel[i], strides[i], dilations[i])
			w.Pad[k], w.Pad[k+2] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				w.Pad[k], w.Pad[k+2] = w.Pad[k+2], w.Pad[k]
			}
		default:
			return w, formatf("auto_pad %q", auto)
		}
	}
	return w, nil
}

// samePad returns the padding with which the result has
// ceil(in / stride) elements.
func samePad(in, kernel, stride, dilation int) int {
	out := (int64(in) + int64(stride) - 1) / int64(stride)
	p := (out-1)*int64(stride) + int64(kernel-1)*int64(dilation) + 1 - int64(in)
	return int(min(max(p, 0), 1<<30))
}

// convWeight returns weight i, [o, kh, kw, c] in the graph, as
// [o, c, kh, kw]: real numbers, dequantized by p unless it is nil.
func (e *emit) convWeight(i int, p *params) (string, error) {
	v := e.n.In[i]
	view := permView(v.Shape(), toFirst(len(v.Shape())))
	if p != nil {
		return e.realCodes(v, p, view, realName(v.Name()))
	}
	return e.weight(i, view)
}

// convAttributes writes the attributes of a convolution with weights
// [o, kh, kw, c] or [o, k, c].
func convAttributes(op backend.Conv, w tensor.Shape) []*pb.Message {
	a := windowAttributes(op.Window, w[1:len(w)-1])
	return append(a, attrInt("group", max(op.Groups, 1)))
}

// windowAttributes writes a window over an image or a sequence.
func windowAttributes(win backend.Window, kernel []int) []*pb.Message {
	n := len(kernel)
	win = win.Normal()
	strides, dilations, pads := win.Stride[2-n:], win.Dilation[2-n:], win.Pad[:]
	if n == 1 {
		pads = []int{win.Pad[1], win.Pad[3]}
	}
	return []*pb.Message{attrInts("kernel_shape", kernel), attrInts("strides", strides), attrInts("dilations", dilations), attrInts("pads", pads)}
}

// spatial returns an error unless v is an image or a sequence.
func spatial(v *value) error {
	if n := len(v.dims); n != 3 && n != 4 {
		return unsupportedf("an input of %d dimensions", n)
	}
	return nil
}

// checkRank returns an error unless a value of the graph is an image or a
// sequence.
func checkRank(v graph.Value) error {
	if n := len(v.Shape()); n != 3 && n != 4 {
		return fmt.Errorf("an input %v: %w", v.Shape(), ErrUnsupported)
	}
	return nil
}
