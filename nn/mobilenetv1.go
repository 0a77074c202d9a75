package nn

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "mobilenetv1-0.25", Input: tensor.Shape{96, 96, 3}, Classes: 2,
		About: "MLPerf Tiny visual wake words: MobileNet (Howard et al., 2017) with a quarter of the channels",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			s := Sequential{Named{"stem", tinyConv(Conv2D{Out: 8, Kernel: 3, Stride: 2})}}
			for i, c := range []struct{ out, stride int }{
				{16, 1}, {32, 2}, {32, 1}, {64, 2}, {64, 1}, {128, 2},
				{128, 1}, {128, 1}, {128, 1}, {128, 1}, {128, 1}, {256, 2}, {256, 1},
			} {
				s = append(s, Named{fmt.Sprintf("block%d", i+1), tinySeparable(c.out, c.stride)})
			}
			return append(s, GlobalAvgPool{}, Linear{Out: classes}).Forward(b, x)
		},
	})
}
