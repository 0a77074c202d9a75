package nn

import (
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "mlp", Input: tensor.Shape{28, 28, 1}, Classes: 10,
		About: "784-1024-1024-10 with ReLU",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			return Sequential{Flatten{}, Linear{Out: 1024}, ReLU{}, Linear{Out: 1024}, ReLU{}, Linear{Out: classes}}.Forward(b, x)
		},
	})
}
