package nn

import (
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "lenet", Input: tensor.Shape{28, 28, 1}, Classes: 10,
		About: "LeNet-5 (LeCun et al., 1998) with ReLU and max pools: 6 and 16 maps of 5x5 kernels, 120-84-10",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			// The paper's images are 32x32 with the digit in the middle 28x28.
			pad := 0
			if s := x.Shape(); len(s) == 4 && s[1] < 32 {
				pad = 2
			}
			return Sequential{
				Named{"c1", Sequential{Conv2D{Out: 6, Kernel: 5, Pad: pad}, ReLU{}, MaxPool{Kernel: 2}}},
				Named{"c3", Sequential{Conv2D{Out: 16, Kernel: 5}, ReLU{}, MaxPool{Kernel: 2}}},
				Flatten{},
				Named{"f5", Sequential{Linear{Out: 120}, ReLU{}}},
				Named{"f6", Sequential{Linear{Out: 84}, ReLU{}}},
				Named{"output", Linear{Out: classes}},
			}.Forward(b, x)
		},
	})
}
