package train

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Names that a model and its training program agree on.
const (
	InputName  = "input"  // The model's input.
	OutputName = "logits" // The model's result.
	labelName  = "label"
	lossName   = "loss"
	teachName  = "teacher_logits"
)

// addLoss appends the loss of c to a lowered model.
func (c *Config) addLoss(g *graph.Graph) error {
	y, ok := g.Lookup(OutputName)
	if !ok {
		return fmt.Errorf("train: the model has no output %q", OutputName)
	}
	if c.Loss == "reconstruction" {
		x, ok := g.Lookup(InputName)
		if !ok {
			return fmt.Errorf("train: the model has no input %q", InputName)
		}
		if x.Spec().Numel() != y.Spec().Numel() {
			return fmt.Errorf("train: reconstruction needs an output like the input: %v and %v", y.Spec(), x.Spec())
		}
		if !x.Shape().Equal(y.Shape()) {
			x = g.Apply(backend.Reshape{Shape: tensor.NewDims(y.Shape()...)}, x)
		}
		g.Output(lossName, g.Apply(backend.MSE{}, y, x))
		return g.Err()
	}
	if s := y.Shape(); len(s) != 2 {
		return fmt.Errorf("train: the output %q is %v: cross entropy needs [batch, classes]", OutputName, s)
	}
	label := g.Input(labelName, tensor.Of(tensor.I32, y.Shape()[0]))
	loss := g.Apply(backend.SoftmaxCrossEntropy{Smoothing: float32(c.LabelSmoothing)}, y, label)
	if c.Distill > 0 {
		t := g.Input(teachName, y.Spec())
		temp := float32(c.Temperature)
		if temp == 0 {
			temp = 1
		}
		kl := g.Apply(backend.KLDivergence{Temperature: temp}, y, t)
		loss = g.Apply(backend.Add{},
			g.Apply(backend.Mul{}, loss, g.Scalar(tensor.F32, 1-c.Distill)),
			g.Apply(backend.Mul{}, kl, g.Scalar(tensor.F32, c.Distill)))
	}
	g.Output(lossName, loss)
	return g.Err()
}
