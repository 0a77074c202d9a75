// Fakequant calls just the quantizer and its straight-through backward on
// slices of its own: what a program that trains by other means needs.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	b, err := backend.Open("auto")
	if err != nil {
		return err
	}
	defer b.Close()
	x := tensor.FromF32([]float32{-1.2, -0.4, 0.1, 0.35, 0.8, 2}, 6) // [values]; shares the slice
	dy := tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 6)
	scheme := quant.Activations(4, true) // 16 codes, one scale
	s, z, err := quant.ONNX.ScaleZero(scheme, -0.8, 1.45)
	if err != nil {
		return err
	}
	var buf []backend.Buffer // x, scale, zero, dy, y, mask, dx: bound once, run at every step
	mask := tensor.New(tensor.Of(tensor.B1, 6))
	for _, t := range []*tensor.Tensor{x, tensor.FromF32([]float32{s}, 1), tensor.FromI32([]int32{z}, 1), dy, tensor.New(x.Spec()), mask, tensor.New(x.Spec())} {
		v, err := b.Alloc(t.Spec())
		if err == nil {
			err = b.Write(ctx, v, t.Bytes())
		}
		if err != nil {
			return err
		}
		buf = append(buf, v)
	}
	forward, err := b.Bind(backend.FakeQuant{Rule: quant.ONNX, Scheme: scheme}, buf[4:6], buf[0:3])
	if err != nil {
		return err
	}
	backward, err := b.Bind(backend.STEGrad{}, buf[6:7], []backend.Buffer{buf[3], buf[5]})
	if err != nil {
		return err
	}
	for _, k := range []backend.Kernel{forward, backward} {
		if err := k.Run(ctx); err != nil {
			return err
		}
	}
	y, dx := tensor.New(x.Spec()), tensor.New(x.Spec())
	if err := b.Read(ctx, y.Bytes(), buf[4]); err != nil {
		return err
	}
	if err := b.Read(ctx, dx.Bytes(), buf[6]); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "scale %v zero %d\ny  %v\ndx %v\n", s, z, y.F32(), dx.F32())
	return err
}
