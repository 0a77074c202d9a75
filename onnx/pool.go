package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
)

func init() {
	registerReader("MaxPool", opReader{class: layoutSpatial, read: readMaxPool})
	registerReader("AveragePool", opReader{class: layoutSpatial, read: readAveragePool})
	registerReader("GlobalAveragePool", opReader{class: layoutSpatial, read: func(c *call) error {
		return readGlobalPool(c, backend.GlobalAveragePool{KeepDims: true})
	}})
	registerReader("GlobalMaxPool", opReader{class: layoutSpatial, read: func(c *call) error {
		return readGlobalPool(c, nil)
	}})

	registerWriter(backend.MaxPool{}, opWriter{class: layoutSpatial, codes: true, write: func(e *emit) error {
		op := e.n.Op.(backend.MaxPool)
		return e.pool("MaxPool", op.Window, op.Kernel, op.Ceil)
	}})
	registerWriter(backend.AveragePool{}, opWriter{class: layoutSpatial,
		needs: func(op backend.Op) int { return poolOpset(op.(backend.AveragePool)) },
		write: func(e *emit) error { return e.averagePool(e.n.Op.(backend.AveragePool)) }})
	registerWriter(backend.GlobalAveragePool{}, opWriter{class: layoutSpatial, write: func(e *emit) error {
		return e.globalPool(e.n.Op.(backend.GlobalAveragePool).KeepDims, nil)
	}})
}

// pool reads what all pools have: window, kernel and ceil_mode.
func (c *call) pool() (w backend.Window, kernel [2]int, ceil bool, err error) {
	x := c.in[0]
	if err := spatial(x); err != nil {
		return w, kernel, false, err
	}
	k, ok := c.ints("kernel_shape")
	if !ok || len(k) != len(x.dims)-2 {
		c.fail(formatf("kernel_shape %v for an input %v", k, x.dims))
		return w, kernel, false, c.err
	}
	kernel = [2]int{1, 1}
	copy(kernel[2-len(k):], k)
	for _, n := range k {
		if n < 1 {
			return w, kernel, false, formatf("kernel_shape %v", k)
		}
	}
	w, err = c.window(x.dims[2:], k)
	ceil = c.flag("ceil_mode", false)
	if err == nil {
		err = c.err
	}
	return w, kernel, ceil, err
}

func readMaxPool(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	if c.intAttr("storage_order", 0) != 0 {
		return unsupportedf("storage_order 1")
	}
	if len(c.n.Outputs) > 1 && c.n.Outputs[1] != "" {
		return unsupportedf("the indices of the maxima")
	}
	w, k, ceil, err := c.pool()
	if err != nil {
		return err
	}
	c.setPassed(formLast, c.one(backend.MaxPool{Window: w, Kernel: k, Ceil: ceil}, c.last(0)))
	return c.err
}

// setPassed is set for operators that keep the meaning of codes.
func (c *call) setPassed(f form, y graph.Value) {
	v := c.set(0, f, y)
	if q := c.in[0].codes; q != nil && !y.Absent() {
		p := *q
		p.Value = y
		v.codes = &p
		c.g.SetCodes(p)
	}
}

func readAveragePool(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	count := c.flag("count_include_pad", false)
	w, k, ceil, err := c.pool()
	if err != nil {
		return err
	}
	c.set(0, formLast, c.one(backend.AveragePool{Window: w, Kernel: k, CountPad: count, Ceil: ceil}, c.last(0)))
	return c.err
}

// readGlobalPool reads a mean over all positions, joined with the Flatten
// after it, or with a nil op a maximum.
func readGlobalPool(c *call, op backend.Op) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	if err := spatial(c.in[0]); err != nil {
		return err
	}
	x := c.last(0)
	if c.err != nil {
		return c.err
	}
	if op == nil {
		m := backend.MaxPool{Kernel: [2]int{1, 1}}
		s := x.Shape()
		copy(m.Kernel[4-len(s):], s[1:len(s)-1])
		c.set(0, formLast, c.one(m, x))
		return c.err
	}
	if u := c.flattenAfter(); u != nil {
		c.name = nodeName(u)
		y := c.one(backend.GlobalAveragePool{}, x)
		c.done[u] = true
		if c.err == nil {
			c.vals[u.Outputs[0]] = &value{name: u.Outputs[0], elem: pb.Float, dims: y.Shape().Clone(), plain: y, batched: c.in[0].batched}
		}
		// Nobody else asks for the dimensions in between.
		c.vals[c.n.Outputs[0]] = &value{}
		return c.err
	}
	c.set(0, formLast, c.one(op, x))
	return c.err
}

// flattenAfter returns the Flatten that is the only user of the result.
func (c *call) flattenAfter() *pb.Node {
	u := c.soleUser()
	if u == nil || u.OpType != "Flatten" || len(u.Outputs) != 1 || u.Outputs[0] == "" {
		return nil
	}
	for i := range u.Attributes {
		if a := &u.Attributes[i]; a.Name != "axis" || a.I != 1 {
			return nil
		}
	}
	return u
}

// pool writes a pool.
func (e *emit) pool(op string, w backend.Window, kernel [2]int, ceil bool, more ...*pb.Message) error {
	if err := checkRank(e.n.In[0]); err != nil {
		return err
	}
	x, err := e.in(0, formFirst)
	if err != nil {
		return err
	}
	k := kernel[4-len(e.n.In[0].Shape()):]
	attrs := append(windowAttributes(w, k), attrInt("ceil_mode", bit(ceil)))
	e.node1(op, []string{x}, e.out(formFirst), append(attrs, more...)...)
	return nil
}

// poolOpset returns the first operator set that has this mean.
func poolOpset(op backend.AveragePool) int {
	if op.Normal().Dilation != [2]int{1, 1} {
		return 19
	}
	return 0
}

func (e *emit) averagePool(op backend.AveragePool) error {
	if err := checkRank(e.n.In[0]); err != nil {
		return err
	}
	x, err := e.in(0, formFirst)
	if err != nil {
		return err
	}
	attrs := windowAttributes(op.Window, op.Kernel[4-len(e.n.In[0].Shape()):])
	if e.opset < 19 {
		attrs = append(attrs[:2:2], attrs[3:]...) // There were no dilations.
	}
	attrs = append(attrs, attrInt("ceil_mode", bit(op.Ceil)), attrInt("count_include_pad", bit(op.CountPad)))
	e.node1("AveragePool", []string{x}, e.out(formFirst), attrs...)
	return nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// globalPool writes a mean over all positions: GlobalAveragePool, and Flatten
// unless the dimensions are kept. Codes are quantized by p after the mean.
func (e *emit) globalPool(keep bool, p *params) error {
	if err := checkRank(e.n.In[0]); err != nil {
		return err
	}
	x, err := e.in(0, formFirst)
	if err != nil {
		return err
	}
	e.value(e.n.Out[0]).q = p
	if keep {
		e.node1("GlobalAveragePool", []string{x}, e.out(formFirst))
		return nil
	}
	mean := e.unique(e.n.Name + ".mean")
	e.addNode("GlobalAveragePool", "", mean, []string{x}, []string{mean})
	if p != nil {
		// Each operator between its own quantizers, as runtimes expect.
		d := e.n.Out[0].DType()
		code := e.unique(codeName(mean))
		real := e.unique(realName(code))
		if err := e.quantizeParams(code, mean, code, p, -1, d); err != nil {
			return err
		}
		if err := e.dequantizeParams(real, code, real, p, -1, d); err != nil {
			return err
		}
		mean = real
	}
	e.node1("Flatten", []string{mean}, e.out(formNative), attrInt("axis", 1))
	return nil
}
