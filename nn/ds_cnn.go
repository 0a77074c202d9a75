package nn

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "ds-cnn", Input: tensor.Shape{49, 10, 1}, Classes: 12,
		About: "MLPerf Tiny keyword spotting: a 10x4 convolution and four depthwise separable blocks of 64 channels",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			s := Sequential{Named{"stem", tinyConv(Conv2D{Out: 64, Kernel: 10, KernelW: 4, Stride: 2})}, Dropout{P: 0.2}}
			for i := range 4 {
				s = append(s, Named{fmt.Sprintf("block%d", i+1), tinySeparable(64, 1)})
			}
			return append(s, Dropout{P: 0.4}, GlobalAvgPool{}, Linear{Out: classes}).Forward(b, x)
		},
	})
}
