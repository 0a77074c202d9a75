package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// Metrics of a model on data.
type Metrics struct {
	Samples  int     `json:"samples"`
	Loss     float64 `json:"loss"`     // Mean cross entropy, or mean squared error.
	Accuracy float64 `json:"accuracy"` // Top-1, 0 to 1; 0 for reconstruction.
	// PerClass has the recall of each class and how many samples it has.
	PerClass []ClassMetrics `json:"per_class,omitempty"`
}

// ClassMetrics is the result on the samples of one class.
type ClassMetrics struct {
	Name    string  `json:"name"`
	Samples int     `json:"samples"`
	Recall  float64 `json:"recall"`
}

// EvalOptions of [Evaluate].
type EvalOptions struct {
	// Backend or State: a State has the values to use instead of the
	// graph's own.
	Backend backend.Backend
	State   *program.State
	Mode    graph.Mode
	// Batch is the number of samples at a time, 256 when 0.
	Batch int
	// Loss as in [Config].
	Loss string
	// Each, when not nil, receives the result of every sample.
	Each func(i int, label int32, output []float32)
}

// Evaluate measures g on d.
func Evaluate(ctx context.Context, g *graph.Graph, d data.Dataset, o EvalOptions) (Metrics, error) {
	e, err := newEvaluator(ctx, g, d, o)
	if err != nil {
		return Metrics{}, err
	}
	defer e.p.Close()
	return e.run(ctx)
}

type evaluator struct {
	p    *program.Program
	d    data.Dataset
	o    EvalOptions
	y    *tensor.Tensor
	size int
}

func newEvaluator(ctx context.Context, g *graph.Graph, d data.Dataset, o EvalOptions) (*evaluator, error) {
	if err := checkData(g, &Config{Loss: o.Loss}, d); err != nil {
		return nil, err
	}
	if o.Batch == 0 {
		o.Batch = 256
	}
	size := min(o.Batch, max(d.Len(), 1))
	p, err := program.Compile(ctx, g, program.Options{Backend: o.Backend, State: o.State, Mode: o.Mode, Batch: size})
	for tooLarge(err) && size > 1 {
		size = (size + 1) / 2
		p, err = program.Compile(ctx, g, program.Options{Backend: o.Backend, State: o.State, Mode: o.Mode, Batch: size})
	}
	if err != nil {
		return nil, fmt.Errorf("train: evaluation: %w", err)
	}
	out, err := p.Output(OutputName)
	if err != nil {
		return nil, fmt.Errorf("train: evaluation: %w", err)
	}
	if out.Spec().DType != tensor.F32 {
		return nil, fmt.Errorf("train: evaluation: the output is %v, want float32", out.Spec())
	}
	return &evaluator{p, d, o, tensor.New(out.Spec()), size}, nil
}

func (e *evaluator) run(ctx context.Context) (Metrics, error) {
	l, err := data.NewLoader(e.d, data.LoaderOptions{Batch: e.size})
	if err != nil {
		return Metrics{}, fmt.Errorf("train: evaluation: %w", err)
	}
	defer l.Close()
	var m Metrics
	names := e.d.ClassNames()
	m.PerClass = make([]ClassMetrics, e.d.Classes())
	hits := make([]int, e.d.Classes())
	for {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = setInput(ctx, e.p, b.X)
		}
		if err == nil {
			err = e.p.Run(ctx)
		}
		if err == nil {
			err = e.p.ReadOutput(ctx, OutputName, e.y)
		}
		if err != nil {
			return m, fmt.Errorf("train: evaluation after %d samples: %w", m.Samples, err)
		}
		k := e.y.Numel() / e.size
		for i := range b.N {
			y := e.y.F32()[i*k : (i+1)*k]
			label := int32(-1)
			if e.o.Loss == "reconstruction" {
				m.Loss += squaredError(y, b.X.F32()[i*k:(i+1)*k])
			} else {
				label = b.Y.I32()[i]
				if label < 0 || int(label) >= len(hits) || int(label) >= k {
					return m, fmt.Errorf("train: evaluation: sample %d has label %d, want 0 to %d", m.Samples+i, label, min(len(hits), k)-1)
				}
				m.Loss += crossEntropy(y, int(label))
				m.PerClass[label].Samples++
				if argmax(y) == int(label) {
					hits[label]++
				}
			}
			if e.o.Each != nil {
				e.o.Each(m.Samples+i, label, y)
			}
		}
		m.Samples += b.N
	}
	total := 0
	for c := range m.PerClass {
		p := &m.PerClass[c]
		if c < len(names) {
			p.Name = names[c]
		} else {
			p.Name = fmt.Sprint(c)
		}
		if p.Samples > 0 {
			p.Recall = float64(hits[c]) / float64(p.Samples)
		}
		total += hits[c]
	}
	if m.Samples > 0 {
		m.Loss /= float64(m.Samples)
		m.Accuracy = float64(total) / float64(m.Samples)
	}
	return m, nil
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

func crossEntropy(y []float32, label int) float64 {
	top := float64(y[argmax(y)])
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
		s += d * d
	}
	return s / float64(max(len(a), 1))
}
