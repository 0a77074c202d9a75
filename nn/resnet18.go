package nn

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "resnet18", Input: tensor.Shape{224, 224, 3}, Classes: 1000,
		About: "ResNet-18 (He et al., 2016) as torchvision has it",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			s := Sequential{
				Named{"stem", convBNReLU(Conv2D{Out: 64, Kernel: 7, Stride: 2, Pad: 3}, ReLU{})},
				MaxPool{Kernel: 3, Stride: 2, Pad: 1},
			}
			in := 64
			for i, out := range []int{64, 128, 256, 512} {
				stride := min(i+1, 2)
				s = append(s, Named{fmt.Sprintf("layer%d", i+1), Sequential{basicBlock(in, out, stride), basicBlock(out, out, 1)}})
				in = out
			}
			return append(s, GlobalAvgPool{}, Named{"fc", Linear{Out: classes}}).Forward(b, x)
		},
	})
}

// basicBlock is two 3x3 convolutions around a shortcut, which is a 1x1
// convolution where the shape changes.
func basicBlock(in, out, stride int) Layer {
	r := Residual{
		Body: Sequential{
			convBNReLU(Conv2D{Out: out, Kernel: 3, Stride: stride, Pad: 1}, ReLU{}),
			convBNReLU(Conv2D{Out: out, Kernel: 3, Pad: 1}, nil),
		},
		After: ReLU{},
	}
	if in != out || stride != 1 {
		r.Shortcut = convBNReLU(Conv2D{Out: out, Kernel: 1, Stride: stride}, nil)
	}
	return r
}
