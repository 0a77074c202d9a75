package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

// ErrMismatch is the cause when the data, the options and the session do not
// fit each other.
var ErrMismatch = errors.New("data does not fit the session")

// Measure measures a session: the accuracy and the mean loss over val, which
// may be nil, and then the latency of a run.
//
// The latency is that of Session.Run alone, inputs in host memory and results
// back. Runs to warm up come first; timed runs follow with nothing between
// them, on inputs that take turns so that no run finds its own input in the
// cache: samples of val, or seeded normal noise without. The timed loop
// allocates nothing of its own. Percentiles are times that did occur.
//
// Accuracy is top-1 and the loss cross entropy; where val has no labels the
// loss is the mean squared error between input and output. The last batch is
// filled up with samples that do not count. Measure stops with the error of
// ctx between two operations of the session's program.
func Measure(ctx context.Context, s target.Session, val data.Dataset, o Options) (Row, error) {
	return measure(ctx, s, val, o, wallClock())
}

func measure(ctx context.Context, s target.Session, val data.Dataset, o Options, now clock) (Row, error) {
	o.defaults()
	r := runner{s: s, peak: memoryOf(s)}
	if err := r.prepare(&o, val); err != nil {
		return Row{}, fmt.Errorf("bench: %w", err)
	}
	row := Row{PeakBytes: r.peak}
	if val != nil {
		if err := r.evaluate(ctx, val, &row); err != nil {
			return row, fmt.Errorf("bench: accuracy: %w", err)
		}
	}
	if err := r.fill(ctx, val); err != nil {
		return row, fmt.Errorf("bench: %w", err)
	}
	times, err := timeRuns(ctx, now, o, func(i int) error { return s.Run(ctx, r.sets[i%len(r.sets)], r.out) })
	if err != nil {
		return row, fmt.Errorf("bench: latency: %w", err)
	}
	row.Latency = newLatency(times, r.batch, o.Warmup)
	return row, nil
}

// memoryOf returns the bytes that a session says it holds, 0 when it does not.
func memoryOf(s target.Session) int64 {
	switch m := s.(type) {
	case interface{ Memory() program.Memory }:
		return m.Memory().Total()
	case interface{ MemoryBytes() int64 }:
		return m.MemoryBytes()
	}
	return 0
}

// runner feeds a session.
type runner struct {
	s     target.Session
	peak  int64
	batch int
	// sets are inputs that take turns, out the outputs.
	sets [][]*tensor.Tensor
	out  []*tensor.Tensor
}

// inputBytes is how much memory the inputs that take turns have together: more
// than the second cache of a core, less than the last.
const (
	inputBytes = 8 << 20
	maxSets    = 32
)

// prepare checks the session against the data and allocates its tensors.
func (r *runner) prepare(o *Options, val data.Dataset) error {
	in, out := r.s.Inputs(), r.s.Outputs()
	if len(in) == 0 || len(out) == 0 {
		return fmt.Errorf("%w: a session of %d inputs and %d outputs", ErrMismatch, len(in), len(out))
	}
	r.batch = 1
	if s := in[0].Spec.Shape; len(s) > 0 {
		r.batch = s[0]
	}
	if o.Batch != 0 && o.Batch != r.batch {
		return fmt.Errorf("%w: %w of %d: the session runs %d samples", ErrMismatch, errBatch, o.Batch, r.batch)
	}
	if val != nil {
		if err := r.check(in, out[0], val); err != nil {
			return err
		}
	}
	bytes := 0
	for _, p := range in {
		bytes += p.Spec.Bytes()
	}
	for range min(max(inputBytes/max(bytes, 1), 2), maxSets) {
		set := make([]*tensor.Tensor, len(in))
		for i, p := range in {
			set[i] = tensor.New(p.Spec)
		}
		r.sets = append(r.sets, set)
	}
	for _, p := range out {
		r.out = append(r.out, tensor.New(p.Spec))
	}
	return nil
}

var errBatch = errors.New("batch")

// check compares the session with the data.
func (r *runner) check(in []target.Port, out target.Port, val data.Dataset) error {
	x := in[0]
	switch {
	case len(in) != 1:
		return fmt.Errorf("%w: %d inputs, the data has one", ErrMismatch, len(in))
	case x.Spec.DType != tensor.F32 || out.Spec.DType != tensor.F32:
		return fmt.Errorf("%w: input %s is %v, output %s is %v: want float32", ErrMismatch, x.Name, x.Spec, out.Name, out.Spec)
	case r.batch < 1 || x.Spec.Numel() != r.batch*val.Shape().Numel():
		return fmt.Errorf("%w: input %s is %v, a sample %v", ErrMismatch, x.Name, x.Spec, val.Shape())
	case out.Spec.Numel()%r.batch != 0:
		return fmt.Errorf("%w: output %s is %v for %d samples", ErrMismatch, out.Name, out.Spec, r.batch)
	case val.Classes() == 0 && out.Spec.Numel() != x.Spec.Numel():
		return fmt.Errorf("%w: the data has no labels and output %s is %v, not like the input", ErrMismatch, out.Name, out.Spec)
	case out.Spec.Numel()/r.batch < val.Classes():
		return fmt.Errorf("%w: output %s is %v for %d classes", ErrMismatch, out.Name, out.Spec, val.Classes())
	case val.Len() == 0:
		return fmt.Errorf("%w: the data has no samples", ErrMismatch)
	}
	return nil
}

// fill writes samples of val, or normal noise, to the input sets. Inputs that
// are not float32 stay 0, which is an index that always exists.
func (r *runner) fill(ctx context.Context, val data.Dataset) error {
	rng := rand.New(rand.NewPCG(1, 2))
	next := 0
	for _, set := range r.sets {
		for _, t := range set {
			if err := ctx.Err(); err != nil {
				return err
			}
			if t.DType() != tensor.F32 {
				continue
			}
			x := t.F32()
			if val == nil {
				for i := range x {
					x[i] = float32(rng.NormFloat64())
				}
				continue
			}
			n := len(x) / r.batch
			for i := range r.batch {
				if _, err := val.Sample(next, x[i*n:(i+1)*n]); err != nil {
					return fmt.Errorf("sample %d: %w", next, err)
				}
				next = (next + 1) % val.Len()
			}
		}
	}
	return nil
}

// evaluate runs the session over val.
func (r *runner) evaluate(ctx context.Context, val data.Dataset, row *Row) error {
	l, err := data.NewLoader(val, data.LoaderOptions{Batch: r.batch})
	if err != nil {
		return err
	}
	defer l.Close()
	spec := r.s.Inputs()[0].Spec
	classes := val.Classes()
	in := make([]*tensor.Tensor, 1)
	hits, done, loss := 0, 0, 0.0
	for {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if in[0] = b.X; !b.X.Shape().Equal(spec.Shape) {
			if in[0], err = b.X.Reshape(spec.Shape...); err != nil {
				return err
			}
		}
		if err := r.s.Run(ctx, in, r.out); err != nil {
			return fmt.Errorf("after %d samples: %w", done, err)
		}
		k := r.out[0].Numel() / r.batch
		for i := range b.N {
			y := r.out[0].F32()[i*k : (i+1)*k]
			if classes == 0 {
				loss += squaredError(y, b.X.F32()[i*k:(i+1)*k])
				continue
			}
			label := int(b.Y.I32()[i])
			if label < 0 || label >= classes {
				return fmt.Errorf("sample %d: %w: label %d of %d classes", done+i, ErrMismatch, label, classes)
			}
			best := argmax(y)
			if best == label {
				hits++
			}
			loss += crossEntropy(y, best, label)
		}
		done += b.N
	}
	if classes > 0 {
		a := float64(hits) / float64(done)
		row.Accuracy = &a
	}
	if loss /= float64(done); !math.IsNaN(loss) && !math.IsInf(loss, 0) {
		row.Loss = &loss
	} else {
		row.Note = fmt.Sprintf("the loss is %v", loss)
	}
	return nil
}

// argmax returns the first index of the largest value.
func argmax(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// crossEntropy returns -log softmax(y)[label]; best is the largest of y.
func crossEntropy(y []float32, best, label int) float64 {
	top := float64(y[best])
	var sum float64
	for _, v := range y {
		sum += math.Exp(float64(v) - top)
	}
	return math.Log(sum) + top - float64(y[label])
}

func squaredError(a, b []float32) float64 {
	var s float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		s += float64(d * d)
	}
	return s / float64(max(len(a), 1))
}
