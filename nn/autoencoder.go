package nn

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "autoencoder", Input: tensor.Shape{640}, Classes: 0,
		About: "MLPerf Tiny anomaly detection: 640-128-128-128-128-8-128-128-128-128-640 with batch norm and ReLU; the output reconstructs the input",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			x = Flatten{}.Forward(b, x)
			n := x.Shape().Last()
			if b.G.Err() == nil && classes != 0 && classes != n {
				return b.G.Fail(fmt.Errorf("nn: an autoencoder gives back its %d inputs: it cannot have %d outputs; build it with 0 classes and train it with the reconstruction loss", n, classes))
			}
			var s Sequential
			for _, width := range []int{128, 128, 128, 128, 8, 128, 128, 128, 128} {
				s = append(s, Sequential{Linear{Out: width}, tinyBN, ReLU{}})
			}
			return append(s, Named{"output", Linear{Out: n}}).Forward(b, x)
		},
	})
}
