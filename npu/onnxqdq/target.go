// Package onnxqdq has the targets "onnx-qdq" and "onnx-qoperator": quantized
// models as ONNX files for ONNX Runtime, OpenVINO, TensorRT, TVM and the
// compilers of Qualcomm, Rockchip, Hailo and others.
//
// In the QDQ form each operation stands between DequantizeLinear and
// QuantizeLinear, which runtimes fuse into integer kernels; in the QOperator
// form the integer operators are written themselves. Models trained under the
// rule "onnx" give the codes of ONNX Runtime's integer kernels: quantization
// that rounds half to even, int32 biases, requantization by one float32
// multiplier.
//
// Specification: ONNX operators QuantizeLinear and DequantizeLinear
// (opset 13), QLinearConv, QLinearMatMul, and com.microsoft's QLinearAdd and
// QGemm.
package onnxqdq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

func init() {
	target.Register(Target{Form: onnx.FormQDQ})
	target.Register(Target{Form: onnx.FormQOperator})
}

// ConfigKey is the metadata entry of the file with the quantization config.
const ConfigKey = "goqat.config"

// Target writes ONNX files in one of the two forms.
type Target struct {
	Form onnx.Form
	// Opset is the operator set, 0 for the writer's default.
	Opset int
}

// Name returns "onnx-qdq" or "onnx-qoperator".
func (t Target) Name() string {
	if t.Form == onnx.FormQOperator {
		return "onnx-qoperator"
	}
	return "onnx-qdq"
}

// About describes the target in a line.
func (t Target) About() string {
	if t.Form == onnx.FormQOperator {
		return "ONNX with QLinear operators (ONNX Runtime)"
	}
	return "ONNX with QuantizeLinear and DequantizeLinear (ONNX Runtime, OpenVINO, TensorRT, QNN, RKNN, Hailo)"
}

// Constraints lists what a model must obey.
func (t Target) Constraints() []string {
	return []string{
		"arithmetic is that of the rule onnx",
		"activations are uint8 or int8 codes, one scale a tensor; narrower codes get a Clip",
		"weights are int8, symmetric, one scale an output channel or one in all",
		"biases are int32 on the grid of input scale times weight scale",
		"scales are positive normal numbers; sums of products fit an int32",
		"every operation has an ONNX operator; those without an integer form run in float",
		"x86 CPUs without VNNI add pairs of u8*s8 products in 16 bits and may saturate: train with 7-bit weights for them",
	}
}

// Config returns the defaults of W8A8: uint8 affine activations and int8
// symmetric narrow weights per channel under the rule onnx.
func (t Target) Config() *qat.Config { return qat.Default() }

// Check returns every violation.
func (t Target) Check(m *qat.Model) []target.Violation {
	vs := check(m)
	if err := onnx.Write(io.Discard, m.Graph, t.options(nil)); err != nil {
		v := target.Violation{Node: "file", Reason: err.Error(), Fatal: true}
		var n *onnx.NodeError
		if errors.As(err, &n) {
			v.Node, v.Reason = n.Node, n.Err.Error()
		}
		vs = append(vs, v)
	}
	return vs
}

// check returns the violations of what runtimes ask beyond the format.
func check(m *qat.Model) []target.Violation {
	var vs []target.Violation
	if m.Rule != quant.ONNX {
		vs = append(vs, target.Violation{Node: "rule", Fatal: true,
			Reason: fmt.Sprintf("the model is converted for %v, ONNX runtimes compute onnx: train with the target's config", m.Rule)})
	}
	codes := 0
	for _, n := range m.Graph.Nodes() {
		l, ok, err := target.LayerOf(n)
		switch {
		case err != nil:
			vs = append(vs, target.Violation{Node: n.Name, Reason: err.Error(), Fatal: true})
		case ok:
			codes++
			vs = append(vs, target.CheckScales(n.Name, l.XScale, l.YScale)...)
			vs = append(vs, l.CheckWeights(math.MinInt8, math.MaxInt8)...)
			vs = append(vs, l.CheckBias()...)
			lo, hi := codeRange(m.Graph, l.X)
			vs = append(vs, l.CheckAccumulator(lo, hi)...)
		case n.Op.OpName() == "conv" || n.Op.OpName() == "gemm":
			vs = append(vs, target.Violation{Node: n.Name, Reason: n.Op.OpName() + " runs in float"})
		}
	}
	if codes == 0 {
		vs = append(vs, target.Violation{Node: "model", Reason: "no layer runs on codes"})
	}
	return vs
}

// codeRange returns the range of the codes v.
func codeRange(g *graph.Graph, v graph.Value) (lo, hi int32) {
	if c, ok := g.CodesOf(v); ok {
		return c.Scheme.Range()
	}
	if v.DType() == tensor.I8 {
		return quant.Int8().Range()
	}
	return quant.UInt8().Range()
}

func (t Target) options(metadata map[string]string) onnx.WriteOptions {
	return onnx.WriteOptions{Opset: t.Opset, Form: t.Form, Metadata: metadata}
}

// Lower makes the file.
func (t Target) Lower(ctx context.Context, m *qat.Model) (target.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := target.Refuse(t.Name(), t.Check(m)); err != nil {
		return nil, err
	}
	metadata := map[string]string{}
	if m.Config != nil {
		var c bytes.Buffer
		if err := m.Config.Write(&c); err != nil {
			return nil, fmt.Errorf("onnxqdq: %w", err)
		}
		metadata[ConfigKey] = c.String()
	}
	var file bytes.Buffer
	if err := onnx.Write(&file, m.Graph, t.options(metadata)); err != nil {
		return nil, fmt.Errorf("onnxqdq: %w", err)
	}
	return &Artifact{file.Bytes(), m.Graph}, nil
}

// Runnable returns nil: the integer graph runs here.
func (t Target) Runnable() error { return nil }

// Artifact is an ONNX file with the integer graph that it was written from.
type Artifact struct {
	file  []byte
	graph *graph.Graph
}

// WriteTo writes the file.
func (a *Artifact) WriteTo(w io.Writer) (int64, error) {
	n, err := bytes.NewReader(a.file).WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("onnxqdq: write: %w", err)
	}
	return n, nil
}

// Ext returns ".onnx".
func (a *Artifact) Ext() string { return ".onnx" }

// Open prepares the integer graph, whose codes are those of integer kernels.
func (a *Artifact) Open(ctx context.Context, b backend.Backend, batch int) (target.Session, error) {
	return target.OpenGraph(ctx, a.graph, b, batch)
}
