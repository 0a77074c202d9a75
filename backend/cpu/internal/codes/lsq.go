package codes

import "github.com/goqat/goqat/quant"

// LSQGrad is [quant.LSQGrad] with a fixed zero point.
func LSQGrad(r quant.Rule, dx, dy, x, scale []float32, zero []int32, lo, hi int32, ds []float64, l quant.Layout, from, to int) (nan int) {
	if !vectors() || l.Channels > 1 && l.Inner < 2*Wrap || !representable(0, lo, hi) {
		return quant.LSQGrad(r, dx, dy, x, scale, zero, lo, hi, ds, nil, l, from, to)
	}
	for b := from; b < to; {
		at := b + l.Skip
		end := min(b-at%quant.LSQBlock+quant.LSQBlock, to)
		first, last := at/l.Inner, (end-1+l.Skip)/l.Inner
		for k := first; k <= min(last, first+l.Channels-1); k++ {
			c := k % l.Channels
			p, ok := quantizing(r, scale[c], zero[c], lo, hi)
			var lanes [quant.LSQLanes]float64
			for g := k; g <= last; g += l.Channels {
				i, stop := max(g*l.Inner-l.Skip, b), min((g+1)*l.Inner-l.Skip, end)
				if ok {
					n, bad := lsqGrad(r, streamed(len(dx)), dx[i:stop], dy[i:stop], x[i:stop], &p, &lanes)
					i += n
					nan += bad
				}
				if i < stop {
					nan += quant.LSQGradRun(r, &lanes, dx[i:stop], dy[i:stop], x[i:stop], scale[c], zero[c], lo, hi)
				}
			}
			ds[c] += quant.AddLanes(&lanes)
		}
		b = end
	}
	return nan
}
