package nn

import (
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "resnet8", Input: tensor.Shape{32, 32, 3}, Classes: 10,
		About: "MLPerf Tiny image classification: a stem and three residual blocks of 16, 32 and 64 channels",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			return Sequential{
				Named{"stem", tinyConv(Conv2D{Out: 16, Kernel: 3})},
				Named{"block1", tinyResidual(16, 1)},
				Named{"block2", tinyResidual(32, 2)},
				Named{"block3", tinyResidual(64, 2)},
				GlobalAvgPool{}, Linear{Out: classes},
			}.Forward(b, x)
		},
	})
}

// tinyResidual is the block of resnet8; where the shape changes, a 1x1
// convolution without normalization is its shortcut.
func tinyResidual(out, stride int) Layer {
	r := Residual{
		Body:  Sequential{tinyConv(Conv2D{Out: out, Kernel: 3, Stride: stride}), Conv2D{Out: out, Kernel: 3, Same: true}, tinyBN},
		After: ReLU{},
	}
	if stride > 1 {
		r.Shortcut = Conv2D{Out: out, Kernel: 1, Stride: stride, Same: true}
	}
	return r
}
