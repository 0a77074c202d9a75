package nn

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "mobilenetv2", Input: tensor.Shape{224, 224, 3}, Classes: 1000,
		About: "MobileNetV2 (Sandler et al., 2018) as torchvision has it",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			s := Sequential{Named{"stem", convBNReLU(Conv2D{Out: 32, Kernel: 3, Stride: 2, Pad: 1}, ReLU6{})}}
			in, n := 32, 0
			// Expansion, channels, repeats and stride: table 2 of the paper.
			for _, c := range []struct{ expand, out, repeat, stride int }{
				{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
			} {
				for i := range c.repeat {
					stride := 1
					if i == 0 {
						stride = c.stride
					}
					n++
					s = append(s, Named{fmt.Sprintf("block%d", n), invertedResidual(in, c.out, c.expand, stride)})
					in = c.out
				}
			}
			return append(s,
				Named{"head", convBNReLU(Conv2D{Out: 1280, Kernel: 1}, ReLU6{})},
				GlobalAvgPool{}, Dropout{P: 0.2}, Linear{Out: classes},
			).Forward(b, x)
		},
	})
}

// invertedResidual widens, convolves each channel by itself and narrows
// again without an activation; a shortcut joins the narrow ends of one shape.
func invertedResidual(in, out, expand, stride int) Layer {
	var s Sequential
	if expand > 1 {
		s = append(s, Named{"expand", convBNReLU(Conv2D{Out: in * expand, Kernel: 1}, ReLU6{})})
	}
	s = append(s,
		Named{"depthwise", convBNReLU(Conv2D{Depthwise: true, Kernel: 3, Stride: stride, Pad: 1}, ReLU6{})},
		Named{"project", convBNReLU(Conv2D{Out: out, Kernel: 1}, nil)},
	)
	if in == out && stride == 1 {
		return Residual{Body: s}
	}
	return s
}
