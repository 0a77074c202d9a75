package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
)

func newInspect(a *app) *cobra.Command {
	var spec string
	c := &cobra.Command{
		Use:   "inspect FILE|DIR",
		Short: "Graph, shapes, quantization and size of a model",
		Long: `Lists the operations of a model with their types, what its codes stand for, and
its size. With --data also how much each tensor of a quantized model loses
against float, as signal to quantization noise in dB.`,
		Example: `  goqat inspect qat/model.qdq.onnx
  goqat inspect qat --data digits`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.inspect(c.Context(), args[0], spec) },
	}
	c.Flags().StringVar(&spec, "data", "", "DATASET for the noise of each tensor")
	return c
}

// inspection is the JSON of inspect.
type inspection struct {
	File    string             `json:"file"`
	Bytes   int64              `json:"bytes"`
	Params  int                `json:"params"`
	Inputs  []inspectValue     `json:"inputs"`
	Outputs []inspectValue     `json:"outputs"`
	Nodes   []inspectNode      `json:"nodes"`
	Tensors []qat.TensorReport `json:"tensors,omitempty"`
}

type inspectValue struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type inspectNode struct {
	Name    string   `json:"name"`
	Op      string   `json:"op"`
	In      []string `json:"in"`
	Out     string   `json:"out"`
	Type    string   `json:"type"`
	Quant   string   `json:"quantization,omitempty"`
	Scale   float32  `json:"scale,omitempty"`
	Zero    int32    `json:"zero,omitempty"`
	Weights int      `json:"weights,omitempty"`
}

func (a *app) inspect(ctx context.Context, path, spec string) error {
	g, err := loadRunnable(path, false)
	if err != nil {
		return err
	}
	r := describe(g)
	r.File = path
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		r.Bytes = st.Size()
	}
	if spec != "" {
		if r.Tensors, err = a.noise(ctx, path, spec); err != nil {
			return err
		}
	}
	return a.print(r, func(w io.Writer) { r.write(w) })
}

// noise analyzes the prepared form of a quantized model.
func (a *app) noise(ctx context.Context, path, spec string) ([]qat.TensorReport, error) {
	set, err := a.openData(ctx, spec, 1, 0)
	if err != nil {
		return nil, err
	}
	b, err := a.open()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	g, _, err := loadPrepared(ctx, path, b)
	if err != nil {
		return nil, err
	}
	in := ""
	if len(g.Inputs()) > 0 {
		in = g.Inputs()[0].Name()
	}
	return qat.Analyze(ctx, g, set.Val, qat.DataOptions{Backend: b, Samples: 512, Input: in})
}

func describe(g *graph.Graph) inspection {
	r := inspection{Params: nn.ParamCount(g)}
	for _, v := range g.Inputs() {
		r.Inputs = append(r.Inputs, inspectValue{v.Name(), v.Spec().String()})
	}
	for _, o := range g.Outputs() {
		r.Outputs = append(r.Outputs, inspectValue{o.Name, o.Value.Spec().String()})
	}
	for _, n := range g.Nodes() {
		d := inspectNode{Name: n.Name, Op: n.Op.OpName()}
		for _, v := range n.In {
			d.In = append(d.In, v.Name())
			if t := v.Init(); t != nil {
				d.Weights += t.Numel()
			}
		}
		if len(n.Out) > 0 {
			d.Out, d.Type = n.Out[0].Name(), n.Out[0].Spec().String()
			if c, ok := g.CodesOf(n.Out[0]); ok {
				d.Quant = c.Scheme.String()
				if s, z := c.Scale.Init(), c.Zero.Init(); s != nil && z != nil && s.Numel() > 0 {
					d.Scale, d.Zero = s.F32()[0], z.I32()[0]
				}
			} else if q, ok := n.Op.(backend.QuantizeLinear); ok {
				d.Quant = q.Scheme.String()
			}
		}
		r.Nodes = append(r.Nodes, d)
	}
	return r
}

func (r *inspection) write(w io.Writer) {
	fmt.Fprintf(w, "%s: %d bytes, %d trained values\n", r.File, r.Bytes, r.Params)
	for _, v := range r.Inputs {
		fmt.Fprintf(w, "input  %s %s\n", v.Name, v.Type)
	}
	for _, v := range r.Outputs {
		fmt.Fprintf(w, "output %s %s\n", v.Name, v.Type)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tOP\tRESULT\tSTORED\tCODES")
	for _, n := range r.Nodes {
		q := ""
		if n.Quant != "" {
			q = n.Quant
			if n.Scale != 0 {
				q += fmt.Sprintf(", scale %.6g, zero %d", n.Scale, n.Zero)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", n.Name, n.Op, n.Type, n.Weights, q)
	}
	_ = t.Flush()
	writeTensors(w, r.Tensors)
}

// writeTensors prints the noise of each quantized tensor.
func writeTensors(w io.Writer, ts []qat.TensorReport) {
	if len(ts) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TENSOR\tSCHEME\tSQNR dB\tRANGE\tCODES REACH")
	for _, r := range ts {
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.4g to %.4g\t%.4g to %.4g\n", r.Name, r.Scheme, r.SQNR, r.Min, r.Max, r.Lo, r.Hi)
	}
	_ = t.Flush()
}
