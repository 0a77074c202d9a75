package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("SoftmaxCrossEntropyLoss", opReader{read: readCrossEntropy})
	registerWriter(backend.SoftmaxCrossEntropy{}, opWriter{write: writeCrossEntropy})
}

// readCrossEntropy reads the mean over all elements: scores [n, c, ...] and
// labels [n, ...].
func readCrossEntropy(c *call) error {
	if err := c.inputs(2, 3); err != nil {
		return err
	}
	switch {
	case c.x(2) != nil:
		return unsupportedf("weights of the classes")
	case c.has("ignore_index"):
		return unsupportedf("ignore_index")
	case c.text("reduction", "mean") != "mean":
		return unsupportedf("reduction %q", c.text("reduction", "mean"))
	}
	scores, labels := c.last(0), c.plain(1)
	if c.err != nil {
		return c.err
	}
	if labels.DType() != tensor.I32 {
		labels = c.helper(".labels", backend.Cast{To: tensor.I32}, labels)
	}
	out := c.apply(backend.SoftmaxCrossEntropy{}, scores, labels)
	if len(out) < 2 {
		return c.err
	}
	c.set(0, formPlain, out[0])
	if len(c.n.Outputs) > 1 && c.n.Outputs[1] != "" {
		c.set(1, formLast, c.helper(".log_prob", backend.Log{}, out[1]))
	}
	return c.err
}

func writeCrossEntropy(e *emit) error {
	if s := e.n.Op.(backend.SoftmaxCrossEntropy).Smoothing; s != 0 {
		return unsupportedf("smoothing %v", s)
	}
	x := e.n.In[0]
	f := formNative
	if len(x.Shape()) > 2 {
		f = formFirst
	}
	scores, err := e.in(0, f)
	if err != nil {
		return err
	}
	labels, err := e.any(e.value(e.n.In[1]), formNative)
	if err != nil {
		return err
	}
	e.node1("SoftmaxCrossEntropyLoss", []string{scores, labels}, e.out(formNative), attrText("reduction", "mean"))
	return e.softmaxOf(x, e.n.Out[1])
}

// softmaxOf writes the probabilities y, the second result of the loss, if
// anything uses them.
func (e *emit) softmaxOf(x, y graph.Value) error {
	if !e.uses(y) {
		return nil
	}
	s, err := e.floats(e.value(x), formNative)
	if err != nil {
		return err
	}
	name := e.outName[y.ID()]
	if name == "" {
		name = e.unique(y.Name())
	}
	e.value(y).real[formNative] = name
	e.addNode("Softmax", "", name, []string{s}, []string{name}, attrInt("axis", -1))
	return nil
}
