package tflite

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
)

// unary lowers tables of functions. TFLite computes them in fixed point; where
// that gives other codes than the model's table the lowering says so.
func (l *lowering) unary(n *graph.Node) {
	o := n.Op.(backend.QLinearUnary)
	before := len(l.violations)
	l.full(n.Name, o.Scheme)
	sx, zx := l.params(n, 1)
	sy, zy := l.params(n, 3)
	if len(l.violations) > before {
		return
	}
	x, y := params{sx, zx}, params{sy, zy}
	var code int
	var theirs codeTable
	var a attributes
	switch o.Func {
	case backend.UnarySigmoid:
		code, theirs = opLogistic, logisticTable(x)
		l.fixed(n.Name, "LOGISTIC", y, params{1.0 / 256, -128})
	case backend.UnaryTanh:
		code, theirs = opTanh, tanhTable(x)
		l.fixed(n.Name, "TANH", y, params{1.0 / 128, 0})
	case backend.UnaryHardSwish:
		code, theirs = opHardSwish, hardSwishTable(x, y)
		if sx/128 > sy {
			l.fatal(n.Name, "HARD_SWISH needs an output scale over 1/128 of the input's")
		}
	case backend.UnaryLeakyRelu:
		code, theirs = opLeakyRelu, leakyReluTable(x, y, o.Alpha)
		a.alpha = o.Alpha
	default:
		l.fatal(n.Name, "function %v has no int8 form in TFLite", o.Func)
	}
	if len(l.violations) > before {
		return
	}
	ours := quant.Table[int8](quant.TFLite, o.Eval, sx, zx, sy, zy, -128, 127)
	differ, most := 0, 0
	for i := range ours {
		if d := int(ours[i]) - int(theirs[i]); d != 0 {
			differ++
			most = max(most, d, -d)
		}
	}
	if differ > 0 {
		l.warn(n.Name, "the fixed-point %s of TFLite differs from the model in %d of 256 codes, by at most %d", opName(code), differ, most)
	}
	out := l.activation(n.Name, n.Out[0].Shape(), sy, zy)
	l.set(n.Out[0], l.op(code, a, out, l.x(n, 0, sx, zx)))
}

// fixed checks an operator whose result has fixed parameters.
func (l *lowering) fixed(node, name string, got, want params) {
	if got != want {
		l.fatal(node, "%s has scale %v and zero point %d in TFLite, the model %v and %d", name, want.scale, want.zero, got.scale, got.zero)
	}
}
