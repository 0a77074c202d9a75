package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// gemmInteger is the integer form of Gemm, as that of Conv.
var gemmInteger = &graph.IntegerDef{
	Live: func(r *graph.Rewrite, n *graph.Node) ([]graph.Value, bool) {
		return liveLayer(r, n, backend.GemmDequant{})
	},
	Deploy: func(r *graph.Rewrite, n *graph.Node, c graph.Chain) (graph.Codes, bool) {
		return deployLayer(r, n, c, backend.QLinearGemm{Rule: c.Out.Rule, Scheme: c.Out.Scheme, Lo: c.Lo, Hi: c.Hi})
	},
}
