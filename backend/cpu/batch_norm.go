package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	eval := func(b *Backend, eps float32, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindBatchNormEval[float64](b, eps, out, in), nil
		}
		return bindBatchNormEval[float32](b, eps, out, in), nil
	}
	register(backend.BatchNorm{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		return eval(b, op.(backend.BatchNorm).Eps, out, in)
	}})
	register(backend.BatchNormEval{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		return eval(b, op.(backend.BatchNormEval).Eps, out, in)
	}})
	register(backend.BatchNormTrain{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindBatchNormTrain[float64](b, op.(backend.BatchNormTrain), out, in), nil
		}
		return bindBatchNormTrain[float32](b, op.(backend.BatchNormTrain), out, in), nil
	}})
	register(backend.BatchNormGrad{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindBatchNormGrad[float64](b, nil, out, in), nil
		}
		return bindBatchNormGrad[float32](b, nil, out, in), nil
	}})
	register(backend.BatchNormEvalGrad{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		eps := op.(backend.BatchNormEvalGrad).Eps
		if in[0].DType() == tensor.F64 {
			return bindBatchNormGrad[float64](b, &eps, out, in), nil
		}
		return bindBatchNormGrad[float32](b, &eps, out, in), nil
	}})
}

// normLoops are the loops over rows of channels; arguments of one value a
// channel are columns of package codes.
type normLoops[T float] struct {
	// affine is y = x * scale + shift.
	affine func(y, x, scale, shift []T, channels int)
	// grad is dx = dy * ofDy + (x-mean) * ofX + plus.
	grad func(dx, dy, x, ofDy, mean, ofX, plus []T, channels int)
}

func newNormLoops[T float]() normLoops[T] {
	l := normLoops[T]{affine: affineRows[T], grad: normGradRows[T]}
	if f, ok := any(&l).(*normLoops[float32]); ok {
		*f = normLoops[float32]{affine: codes.Affine, grad: codes.NormGrad}
	}
	return l
}

func affineRows[T float](y, x, scale, shift []T, c int) {
	scale, shift = scale[:c], shift[:c]
	for o := 0; o+c <= len(x); o += c {
		xr, yr := x[o:o+c], y[o:o+c]
		for j, a := range scale {
			yr[j] = T(xr[j]*a) + shift[j]
		}
	}
}

func normGradRows[T float](dx, dy, x, ofDy, mean, ofX, plus []T, c int) {
	ofDy, mean, ofX, plus = ofDy[:c], mean[:c], ofX[:c], plus[:c]
	for o := 0; o+c <= len(x); o += c {
		d, v, r := dy[o:o+c], x[o:o+c], dx[o:o+c]
		for j, a := range ofDy {
			r[j] = T(d[j]*a) + T((v[j]-mean[j])*ofX[j]) + plus[j]
		}
	}
}

func bindBatchNormEval[T float](b *Backend, eps float32, out, in []*tensor.Tensor) func() error {
	x, y := elements[T](in[0]), elements[T](out[0])
	gamma, beta, mean, variance := elements[T](in[1]), elements[T](in[2]), elements[T](in[3]), elements[T](in[4])
	c := len(gamma)
	scale, shift := make([]T, c+codes.Wrap), make([]T, c+codes.Wrap)
	loops := newNormLoops[T]()
	size, _ := rowChunks(len(x)/max(c, 1), c)
	body := func(lo, hi int) { loops.affine(y[lo*c:hi*c], x[lo*c:hi*c], scale, shift, c) }
	return func() error {
		if len(x) == 0 {
			return nil
		}
		for j := range c {
			a := float64(gamma[j]) / math.Sqrt(float64(variance[j])+float64(eps))
			scale[j], shift[j] = T(a), T(float64(beta[j])-float64(float64(mean[j])*a))
		}
		codes.Repeat(scale, c)
		codes.Repeat(shift, c)
		parallel(len(x)/c, size, body)
		return nil
	}
}

func bindBatchNormTrain[T float](b *Backend, op backend.BatchNormTrain, out, in []*tensor.Tensor) func() error {
	x, gamma, beta := elements[T](in[0]), elements[T](in[1]), elements[T](in[2])
	runMean, runVar := elements[T](in[3]), elements[T](in[4])
	y, mean, invstd := elements[T](out[0]), elements[T](out[1]), elements[T](out[2])
	newMean, newVar := elements[T](out[3]), elements[T](out[4])
	if newMean == nil {
		newMean = runMean
	}
	if newVar == nil {
		newVar = runVar
	}
	c := len(gamma)
	rows := len(x) / max(c, 1)
	size, count := rowChunks(rows, c)
	scale, shift := make([]T, c+codes.Wrap), make([]T, c+codes.Wrap)
	loops := newNormLoops[T]()
	var parts []float64
	moments := func(lo, hi int) {
		part := parts[lo/size*2*c : (lo/size+1)*2*c]
		clear(part)
		// The first row as shift keeps the variance of values far from zero.
		columnMoments(part[:c], part[c:], x[lo*c:hi*c], x[:c], c)
	}
	apply := func(lo, hi int) { loops.affine(y[lo*c:hi*c], x[lo*c:hi*c], scale, shift, c) }
	n, momentum := float64(rows), float64(op.Momentum)
	b.scratch.need(count * 2 * c * 8)
	return func() error {
		if len(x) == 0 {
			return nil
		}
		ws := b.scratch.take(count * 2 * c * 8)
		parts = tensor.Cast[float64](ws.t.Bytes(), count*2*c)
		parallel(rows, size, moments)
		sums := addChunks(parts, 2*c, count)
		for j := range c {
			d := sums[j] / n
			m := float64(x[j]) + d
			v := max(sums[c+j]/n-float64(d*d), 0)
			inv := 1 / math.Sqrt(v+float64(op.Eps))
			a := float64(gamma[j]) * inv
			scale[j], shift[j] = T(a), T(float64(beta[j])-float64(m*a))
			if mean != nil {
				mean[j] = T(m)
			}
			if invstd != nil {
				invstd[j] = T(inv)
			}
			rm, rv := float64(runMean[j]), float64(runVar[j])
			newMean[j] = T(rm + float64(momentum*(m-rm)))
			newVar[j] = T(rv + float64(momentum*(float64(v*(n/(n-1)))-rv)))
		}
		b.scratch.give(ws)
		codes.Repeat(scale, c)
		codes.Repeat(shift, c)
		if y != nil {
			parallel(rows, size, apply)
		}
		return nil
	}
}

// bindBatchNormGrad is the gradient with batch statistics, which depend on x,
// or when eps is given with running ones, which do not.
func bindBatchNormGrad[T float](b *Backend, eps *float32, out, in []*tensor.Tensor) func() error {
	dy, x, gamma, mean, spread := elements[T](in[0]), elements[T](in[1]), elements[T](in[2]), elements[T](in[3]), elements[T](in[4])
	dx, dgamma, dbeta := elements[T](out[0]), elements[T](out[1]), elements[T](out[2])
	c := len(gamma)
	rows := len(x) / max(c, 1)
	size, count := rowChunks(rows, c)
	// dx = dy * ofDy + (x - mean) * ofX + plus
	ofDy, ofX, plus, center := make([]T, c+codes.Wrap), make([]T, c+codes.Wrap), make([]T, c+codes.Wrap), make([]T, c+codes.Wrap)
	loops := newNormLoops[T]()
	var parts []float64
	products := func(lo, hi int) {
		part := parts[lo/size*2*c : (lo/size+1)*2*c]
		clear(part)
		columnProducts(part[:c], part[c:], dy[lo*c:hi*c], x[lo*c:hi*c], mean, c)
	}
	apply := func(lo, hi int) {
		loops.grad(dx[lo*c:hi*c], dy[lo*c:hi*c], x[lo*c:hi*c], ofDy, center, ofX, plus, c)
	}
	applyEval := func(lo, hi int) {
		for o := lo * c; o < hi*c; o += c {
			d, r := dy[o:o+c], dx[o:o+c]
			for j, a := range ofDy[:c] {
				r[j] = d[j] * a
			}
		}
	}
	if eps != nil {
		apply = applyEval
	}
	wantSums := eps == nil || dgamma != nil || dbeta != nil
	n := float64(rows)
	b.scratch.need(count * 2 * c * 8)
	return func() error {
		if len(x) == 0 {
			clear(dgamma)
			clear(dbeta)
			return nil
		}
		ws := b.scratch.take(count * 2 * c * 8)
		parts = tensor.Cast[float64](ws.t.Bytes(), count*2*c)
		sums := parts[:2*c]
		if wantSums {
			parallel(rows, size, products)
			addChunks(parts, 2*c, count)
		}
		for j := range c {
			inv := float64(spread[j])
			if eps != nil {
				inv = 1 / math.Sqrt(inv+float64(*eps))
			}
			a := float64(gamma[j]) * inv
			ofDy[j] = T(a)
			if !wantSums {
				continue
			}
			if dbeta != nil {
				dbeta[j] = T(sums[j])
			}
			if dgamma != nil {
				dgamma[j] = T(sums[c+j] * inv)
			}
			ofX[j] = T(-a * inv * inv * sums[c+j] / n)
			plus[j] = T(-a * sums[j] / n)
		}
		b.scratch.give(ws)
		copy(center, mean)
		for _, columns := range [][]T{ofDy, center, ofX, plus} {
			codes.Repeat(columns, c)
		}
		if dx != nil {
			parallel(rows, size, apply)
		}
		return nil
	}
}
