package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/internal/durable"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
)

func newConvert(a *app) *cobra.Command {
	var model, tgt, out string
	c := &cobra.Command{
		Use:   "convert --model DIR|F.onnx --target T --out FILE",
		Short: "A trained model as a target's file",
		Long: `Lowers a quantized model, the folder of goqat qat or ptq or a QDQ file, to the
file of a target. A model that breaks the target's constraints is refused with
every violation listed.`,
		Example: `  goqat convert --model qat --target tflite --out model.tflite
  goqat convert --model qat --target tensorcore-cpu --out model.goqat`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "model", "target", "out"); err != nil {
				return err
			}
			return a.convert(c.Context(), model, tgt, out)
		},
	}
	p := c.Flags()
	p.StringVar(&model, "model", "", "folder of goqat qat or ptq, or a QDQ file")
	p.StringVar(&tgt, "target", "", "target (see goqat targets)")
	p.StringVar(&out, "out", "", "file to write")
	return c
}

// convertResult is the JSON of convert.
type convertResult struct {
	Target   string             `json:"target"`
	Out      string             `json:"out"`
	Bytes    int64              `json:"bytes"`
	Warnings []target.Violation `json:"warnings,omitempty"`
}

func (a *app) convert(ctx context.Context, model, tgt, out string) error {
	t, err := target.Lookup(tgt)
	if err != nil {
		return &usageError{err}
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	g, c, err := loadPrepared(ctx, model, b)
	if err != nil {
		return err
	}
	m, err := qat.Convert(ctx, g, c, b)
	if err != nil {
		return err
	}
	r := convertResult{Target: tgt, Out: out}
	for _, v := range t.Check(m) {
		if !v.Fatal {
			r.Warnings = append(r.Warnings, v)
			a.note("warning: %s", v)
		}
	}
	art, err := t.Lower(ctx, m)
	if err != nil {
		return err
	}
	if r.Bytes, err = writeArtifact(out, art); err != nil {
		return err
	}
	return a.print(r, func(w io.Writer) { fmt.Fprintf(w, "wrote %s, %d bytes\n", out, r.Bytes) })
}

// writeArtifact writes an artifact whole or not at all and returns its size.
func writeArtifact(path string, art target.Artifact) (int64, error) {
	if dir := filepath.Dir(path); dir != "." {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, err
		}
	}
	var n int64
	err := durable.WriteOS(path, func(w io.Writer) error {
		var err error
		n, err = art.WriteTo(w)
		return err
	})
	return n, err
}
