package onnx

import (
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("Dropout", opReader{class: layoutFollow, read: readDropout})
	registerWriter(backend.Dropout{}, opWriter{class: layoutFollow, write: writeDropout})
}

// readDropout reads dropout for evaluation. It stays a dropout, so that the
// model can be trained.
func readDropout(c *call) error {
	if err := c.inputs(1, 3); err != nil {
		return err
	}
	if len(c.n.Outputs) > 1 && c.n.Outputs[1] != "" && (len(c.users[c.n.Outputs[1]]) > 0 || c.isOut[c.n.Outputs[1]]) {
		return unsupportedf("the mask as a result")
	}
	p := float32(0.5)
	if c.opset < 12 {
		c.ignore("consumed_inputs")
		p = c.floatAttr("ratio", p)
		if c.opset < 7 && !c.flag("is_test", false) {
			return unsupportedf("is_test 0")
		}
	} else {
		p = c.scalar(1, p)
		if v := c.x(2); v != nil {
			t, err := c.constInput(2)
			if err != nil {
				return err
			}
			if t.Numel() != 1 || t.At(0) != 0 {
				return unsupportedf("training_mode")
			}
		}
	}
	seed := c.intAttr("seed", 0)
	if c.err != nil {
		return c.err
	}
	if len(c.n.Outputs) > 1 && c.n.Outputs[1] != "" {
		c.vals[c.n.Outputs[1]] = &value{name: c.n.Outputs[1]}
	}
	if !(p > 0 && p <= 1) {
		if p != 0 {
			return formatf("ratio %v", p)
		}
		c.alias(0, c.in[0])
		return nil
	}
	f, x := c.follow(0)
	if c.err != nil {
		return c.err
	}
	state := c.g.State(strings.TrimSuffix(c.name, ".out")+".seed", tensor.FromI64([]int64{seed, 0}, 2))
	c.set(0, f, c.one(backend.Dropout{P: p}, x, state))
	return c.err
}

func writeDropout(e *emit) error {
	f := e.form()
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	ratio := e.add(e.n.Name+".ratio", pb.Float, nil, tensor.FromF32([]float32{e.n.Op.(backend.Dropout).P}, 1).Bytes())
	var seed int64
	if t := e.n.In[1].Init(); t != nil {
		seed = t.I64()[0]
	}
	e.names[e.n.In[1].Name()] = true
	e.node1("Dropout", []string{x, ratio}, e.out(f), attrInt("seed", seed))
	return nil
}
