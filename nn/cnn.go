package nn

import (
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "cnn", Input: tensor.Shape{28, 28, 1}, Classes: 10,
		About: "three conv-BN-ReLU blocks of 16, 32 and 64 channels, global average pool, linear",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			return Sequential{
				Named{"block1", convBNReLU(Conv2D{Out: 16, Kernel: 3, Pad: 1, Init: LeCunUniform}, ReLU{})},
				Named{"block2", convBNReLU(Conv2D{Out: 32, Kernel: 3, Pad: 1, Stride: 2, Init: LeCunUniform}, ReLU{})},
				Named{"block3", convBNReLU(Conv2D{Out: 64, Kernel: 3, Pad: 1, Stride: 2, Init: LeCunUniform}, ReLU{})},
				GlobalAvgPool{}, Linear{Out: classes},
			}.Forward(b, x)
		},
	})
}
