package onnx

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Functions of one number. They work on any layout.
func init() {
	for name, op := range map[string]backend.Op{"Relu": backend.Relu{}, "Sigmoid": backend.Sigmoid{}, "Tanh": backend.Tanh{},
		"Exp": backend.Exp{}, "Log": backend.Log{}, "Sqrt": backend.Sqrt{}, "Neg": backend.Neg{}} {
		registerReader(name, opReader{class: layoutFollow, read: func(c *call) error { return readUnary(c, op) }})
		registerWriter(op, opWriter{class: layoutFollow, write: func(e *emit) error { return e.simple(name) }})
	}

	registerReader("HardSwish", opReader{class: layoutFollow, read: func(c *call) error { return readUnary(c, backend.HardSwish{}) }})
	registerWriter(backend.HardSwish{}, opWriter{class: layoutFollow, since: 14, write: func(e *emit) error { return e.simple("HardSwish") }})

	registerReader("HardSigmoid", opReader{class: layoutFollow, read: readHardSigmoid})
	registerWriter(backend.HardSigmoid{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		return e.simple("HardSigmoid", attrFloat("alpha", 1.0/6), attrFloat("beta", 0.5))
	}})

	registerReader("LeakyRelu", opReader{class: layoutFollow, read: func(c *call) error {
		return readUnary(c, backend.LeakyRelu{Alpha: c.floatAttr("alpha", 0.01)})
	}})
	registerWriter(backend.LeakyRelu{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		return e.simple("LeakyRelu", attrFloat("alpha", e.n.Op.(backend.LeakyRelu).Alpha))
	}})

	gelu := func(c *call) error {
		switch a := c.text("approximate", "none"); a {
		case "none":
			return readUnary(c, backend.Gelu{})
		case "tanh":
			return readUnary(c, backend.Gelu{Tanh: true})
		default:
			return formatf("approximate %q", a)
		}
	}
	registerReader("Gelu", opReader{class: layoutFollow, read: gelu})
	registerReader(opName(microsoft, "Gelu"), opReader{class: layoutFollow, read: func(c *call) error { return readUnary(c, backend.Gelu{}) }})
	registerWriter(backend.Gelu{}, opWriter{class: layoutFollow, since: 20, write: func(e *emit) error {
		a := "none"
		if e.n.Op.(backend.Gelu).Tanh {
			a = "tanh"
		}
		return e.simple("Gelu", attrText("approximate", a))
	}})

	registerReader("Reciprocal", opReader{class: layoutFollow, read: func(c *call) error {
		if err := c.inputs(1, 1); err != nil {
			return err
		}
		c.ignore("consumed_inputs")
		f, x := c.follow(0)
		if c.err == nil {
			c.set(0, f, c.one(backend.Div{}, c.g.Scalar(x.DType(), 1), x))
		}
		return c.err
	}})
	registerReader("Clip", opReader{class: layoutFollow, read: readClip})
	registerWriter(backend.Clip{}, opWriter{class: layoutFollow, write: writeClip})

	registerReader("Identity", opReader{class: layoutFollow, read: func(c *call) error {
		if err := c.inputs(1, 1); err != nil {
			return err
		}
		c.alias(0, c.in[0])
		return nil
	}})
}

// readUnary reads a function of one number.
func readUnary(c *call, op backend.Op) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	c.ignore("consumed_inputs")
	f, x := c.follow(0)
	c.set(0, f, c.one(op, x))
	return c.err
}

// readHardSigmoid reads max(0, min(1, alpha*x + beta)).
func readHardSigmoid(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	alpha, beta := c.floatAttr("alpha", 0.2), c.floatAttr("beta", 0.5)
	f, x := c.follow(0)
	if math.Abs(float64(alpha)-1.0/6) < 1e-5 && beta == 0.5 {
		c.set(0, f, c.one(backend.HardSigmoid{}, x))
		return c.err
	}
	if c.err != nil {
		return c.err
	}
	y := c.helper(".alpha", backend.Mul{}, x, c.g.Scalar(x.DType(), float64(alpha)))
	if c.err == nil {
		y = c.helper(".beta", backend.Add{}, y, c.g.Scalar(x.DType(), float64(beta)))
	}
	c.set(0, f, c.one(backend.Clip{Lo: 0, Hi: 1}, y))
	return c.err
}

// follow returns input i in the form it is at hand.
func (c *call) follow(i int) (form, graph.Value) {
	switch f := c.formOf(c.in[i]); f {
	case formLast:
		return f, c.in[i].last
	case formFlat:
		return f, c.in[i].flat
	default:
		return formPlain, c.plain(i)
	}
}

func readClip(c *call) error {
	if err := c.inputs(1, 3); err != nil {
		return err
	}
	lo, hi := float32(math.Inf(-1)), float32(math.Inf(1))
	if c.opset < 11 {
		c.ignore("consumed_inputs")
		lo, hi = c.floatAttr("min", lo), c.floatAttr("max", hi)
	} else {
		lo, hi = c.scalar(1, lo), c.scalar(2, hi)
	}
	if c.err != nil {
		return c.err
	}
	x := c.in[0]
	if x.codes != nil {
		return clipCodes(c, lo, hi)
	}
	if lo > hi { // ONNX: everything becomes the maximum.
		lo = hi
	}
	f, v := c.follow(0)
	if d := v.DType(); d == tensor.I64 || d == tensor.I32 || d.Code() {
		return unsupportedf("Clip of %v", d)
	}
	c.set(0, f, c.one(backend.Clip{Lo: lo, Hi: hi}, v))
	return c.err
}

func writeClip(e *emit) error {
	f := e.form()
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	op := e.n.Op.(backend.Clip)
	e.clip(e.n.Name, x, e.out(f), op.Lo, op.Hi, e.n.In[0].DType())
	return nil
}

// clip appends a Clip of numbers of type d.
func (w *writer) clip(name, x, y string, lo, hi float32, d tensor.DType) {
	in := []string{x, "", ""}
	if !math.IsInf(float64(lo), -1) {
		in[1] = w.scalar(name+".min", lo, d)
	}
	if !math.IsInf(float64(hi), 1) {
		in[2] = w.scalar(name+".max", hi, d)
	}
	w.addNode("Clip", "", name, in, []string{y})
}
