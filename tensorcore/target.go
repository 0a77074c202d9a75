package tensorcore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

func init() { target.Register(CPU{}) }

// CPU is the target "tensorcore-cpu": an integer program in one file, with
// weights packed for the int8 dot products of x86 (VNNI, AMX) and of the CPU
// backend, which runs it on any machine with the same result.
type CPU struct{}

// Name returns "tensorcore-cpu".
func (CPU) Name() string { return "tensorcore-cpu" }

// About describes the target in a line.
func (CPU) About() string {
	return "one-file integer program with weights packed as VNNI4, run by goqat on CPUs and GPUs"
}

// Constraints lists what a model must obey.
func (CPU) Constraints() []string {
	return []string{
		"arithmetic is that of any rule with a name",
		"activations are int8 or uint8 codes, one scale a tensor",
		"weights are int8, symmetric, one scale an output channel or one in all",
		"sums of products and bias fit an int32",
		"operations without an integer form run in float",
	}
}

// Config returns the defaults of W8A8.
func (CPU) Config() *qat.Config { return qat.Default() }

// Check returns every violation.
func (CPU) Check(m *qat.Model) []target.Violation {
	var vs []target.Violation
	if _, err := m.Rule.MarshalText(); err != nil {
		vs = append(vs, target.Violation{Node: "rule", Reason: err.Error(), Fatal: true})
	}
	layers := 0
	for _, n := range m.Graph.Nodes() {
		l, ok, err := target.LayerOf(n)
		switch {
		case err != nil:
			vs = append(vs, target.Violation{Node: n.Name, Reason: err.Error(), Fatal: true})
		case ok:
			layers++
			vs = append(vs, checkLayer(m.Graph, &l)...)
		case n.Op.OpName() == "conv" || n.Op.OpName() == "gemm" || n.Op.OpName() == "matmul":
			vs = append(vs, target.Violation{Node: n.Name, Reason: n.Op.OpName() + " runs in float"})
		}
	}
	if layers == 0 {
		vs = append(vs, target.Violation{Node: "model", Reason: "no layer runs on codes"})
	}
	for _, v := range m.Graph.Inputs() {
		if v.DType() != tensor.F32 {
			vs = append(vs, target.Violation{Node: v.Name(), Reason: fmt.Sprintf("input is %v, want float32", v.DType()), Fatal: true})
		}
	}
	return vs
}

func checkLayer(g *graph.Graph, l *target.Layer) []target.Violation {
	vs := target.CheckScales(l.Node.Name, l.XScale, l.YScale)
	vs = append(vs, l.CheckWeights(math.MinInt8, math.MaxInt8)...)
	vs = append(vs, l.CheckBias()...)
	s := quant.Scheme{Bits: 8, Signed: l.X.DType() == tensor.I8}
	if c, ok := g.CodesOf(l.X); ok {
		s = c.Scheme
	}
	lo, hi := s.Range()
	k := l.Weights.Shape()[1:].Numel()
	if most := quant.MaxK(lo-l.XZero, hi-l.XZero, math.MinInt8, math.MaxInt8); k > most {
		// More products than any weights may have: look at these.
		vs = append(vs, l.CheckAccumulator(lo, hi)...)
	}
	return vs
}

// Lower makes the file.
func (c CPU) Lower(ctx context.Context, m *qat.Model) (target.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := target.Refuse(c.Name(), c.Check(m)); err != nil {
		return nil, err
	}
	p, tensors, err := encode(m)
	if err != nil {
		return nil, err
	}
	b, err := seal(p, tensors)
	if err != nil {
		return nil, err
	}
	a, err := Load(b)
	if err != nil {
		return nil, fmt.Errorf("tensorcore: the written file does not read back: %w", err)
	}
	return a, nil
}

// Runnable returns nil: every machine can run the programs.
func (CPU) Runnable() error { return nil }

// Artifact is a ".goqat" file with the graph that it holds.
type Artifact struct {
	file  []byte
	model *qat.Model
}

// Load reads a file, whose bytes the artifact keeps. It fails with a
// [*FormatError] when the bytes are damaged or no program; memory is bounded
// by a small multiple of their number.
func Load(b []byte) (*Artifact, error) {
	p, tensors, err := unseal(b)
	if err != nil {
		return nil, err
	}
	g, err := p.graph(tensors)
	if err != nil {
		return nil, err
	}
	if p.Config != nil {
		if err := p.Config.Validate(); err != nil {
			return nil, formatError("config: %v", err)
		}
	}
	return &Artifact{b, &qat.Model{Graph: g, Rule: p.Rule, Config: p.Config}}, nil
}

// Model returns the converted model that the file holds, for other targets to
// lower.
func (a *Artifact) Model() *qat.Model { return a.model }

// WriteTo writes the file.
func (a *Artifact) WriteTo(w io.Writer) (int64, error) {
	n, err := bytes.NewReader(a.file).WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("tensorcore: write: %w", err)
	}
	return n, nil
}

// Ext returns ".goqat".
func (a *Artifact) Ext() string { return ".goqat" }

// Open prepares the program of the file for a batch size.
func (a *Artifact) Open(ctx context.Context, b backend.Backend, batch int) (target.Session, error) {
	return target.OpenGraph(ctx, a.model.Graph, b, batch)
}
