//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Requantize{}, kernel{module: "requantize", types: codes, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.Requantize)
		lo, hi := o.Scheme.Range()
		return codeTable(k, "requantize_table", "requantize_codes", out, in, ruleFlags(o.Rule), int32(o.Rule.Requant), lo, hi)
	}})
}
