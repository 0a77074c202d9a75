package nn

import (
	"fmt"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	RegisterModel(Model{
		Name: "gpt-tiny", Input: tensor.Shape{64}, Classes: 256,
		About: "a transformer for text that gives the byte after a window: GPT-2's blocks, two of width 64 with four heads",
		Build: func(b *Builder, x graph.Value, classes int) graph.Value {
			const width, heads, blocks = 64, 4, 2
			s := Sequential{Embedding{Symbols: classes, Width: width, Positions: true}}
			for i := range blocks {
				s = append(s, Named{fmt.Sprintf("block%d", i+1), Transformer{Heads: heads, Hidden: 4 * width, Causal: true}})
			}
			return append(s, LastPlace{}, LayerNorm{}, Linear{Out: classes}).Forward(b, x)
		},
	})
}
