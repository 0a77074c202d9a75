package onnx

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

func init() {
	registerReader("BatchNormalization", opReader{class: layoutSpatial, read: readBatchNorm})
	registerWriter(backend.BatchNorm{}, opWriter{class: layoutSpatial, write: func(e *emit) error {
		op := e.n.Op.(backend.BatchNorm)
		return e.batchNorm(op.Eps, op.Momentum)
	}})
	registerWriter(backend.BatchNormEval{}, opWriter{class: layoutSpatial, write: func(e *emit) error {
		return e.batchNorm(e.n.Op.(backend.BatchNormEval).Eps, 0.1)
	}})
}

func readBatchNorm(c *call) error {
	if err := c.inputs(5, 5); err != nil {
		return err
	}
	c.ignore("consumed_inputs")
	eps, momentum := c.floatAttr("epsilon", 1e-5), c.floatAttr("momentum", 0.9)
	switch {
	case c.flag("training_mode", false):
		return unsupportedf("training_mode 1")
	case c.opset < 7 && !c.flag("is_test", false):
		return unsupportedf("is_test 0")
	case c.opset < 9 && c.intAttr("spatial", 1) != 1:
		return unsupportedf("spatial 0")
	}
	for i, out := range c.n.Outputs {
		if i > 0 && out != "" && (len(c.users[out]) > 0 || c.isOut[out]) {
			return unsupportedf("the statistics as results")
		}
	}
	in := []graph.Value{c.last(0)}
	for i, as := range []role{roleWeight, roleWeight, roleState, roleState} {
		v, err := c.plainAs(c.in[i+1], as)
		if err != nil {
			return err
		}
		in = append(in, v)
	}
	c.set(0, formLast, c.one(backend.BatchNorm{Eps: eps, Momentum: complement(momentum)}, in...))
	for _, out := range c.n.Outputs[min(1, len(c.n.Outputs)):] {
		if out != "" && c.err == nil {
			c.vals[out] = &value{name: out} // Old files name the statistics without using them.
		}
	}
	return c.err
}

// complement returns 1-m, rounded to six digits so that it is its own
// inverse: ONNX keeps the part of the old statistics, PyTorch and goqat that
// of the new ones.
func complement(m float32) float32 {
	return float32(math.Round((1-float64(m))*1e6) / 1e6)
}

func (e *emit) batchNorm(eps, momentum float32) error {
	f := formNative
	if len(e.n.In[0].Shape()) > 2 {
		f = formFirst
	}
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	in := []string{x}
	for i := 1; i < 5; i++ {
		s, err := e.weight(i, permView(e.n.In[i].Shape(), identity(1)))
		if err != nil {
			return err
		}
		in = append(in, s)
	}
	e.node1("BatchNormalization", in, e.out(f), attrFloat("epsilon", eps), attrFloat("momentum", complement(momentum)))
	return nil
}
