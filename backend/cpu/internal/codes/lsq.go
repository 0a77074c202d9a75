package codes

import "github.com/goqat/goqat/quant"

// LSQGrad is [quant.LSQGrad] with a fixed zero point.
func LSQGrad(r quant.Rule, dx, dy, x, scale []float32, zero []int32, lo, hi int32, ds []float64, l quant.Layout, from, to int) (nan int) {
	return quant.LSQGrad(r, dx, dy, x, scale, zero, lo, hi, ds, nil, l, from, to)
}
