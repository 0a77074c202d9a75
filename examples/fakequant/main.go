// Fakequant calls just the quantizer and its straight-through backward on
// slices of its own: what a program that trains by other means needs.
package main

import (
	"context"
	"errors"
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
	scheme := quant.Activations(4, true) // 16 codes, one scale
	s, z, err := quant.ONNX.ScaleZero(scheme, -0.8, 1.45)
	if err != nil {
		return err
	}
	var bad error
	upload := func(t *tensor.Tensor) backend.Buffer {
		v, err := b.Alloc(t.Spec())
		if err == nil {
			err = b.Write(ctx, v, t.Bytes())
		}
		bad = errors.Join(bad, err)
		return v
	}
	x := upload(tensor.FromF32([]float32{-1.2, -0.4, 0.1, 0.35, 0.8, 2}, 6))
	dy := upload(tensor.FromF32([]float32{1, 2, 3, 4, 5, 6}, 6))
	scale, zero := upload(tensor.FromF32([]float32{s}, 1)), upload(tensor.FromI32([]int32{z}, 1))
	y, dx := tensor.New(x.Spec()), tensor.New(x.Spec())
	yb, dxb, mask := upload(y), upload(dx), upload(tensor.New(tensor.Of(tensor.B1, 6)))
	forward, err := b.Bind(backend.FakeQuant{Scheme: scheme}, []backend.Buffer{yb, mask}, []backend.Buffer{x, scale, zero})
	backward, err2 := b.Bind(backend.STEGrad{}, []backend.Buffer{dxb}, []backend.Buffer{dy, mask})
	if err := errors.Join(bad, err, err2); err != nil {
		return err
	}
	// Bound once, kernels run any number of times without allocating.
	err = errors.Join(forward.Run(ctx), backward.Run(ctx), b.Read(ctx, y.Bytes(), yb), b.Read(ctx, dx.Bytes(), dxb))
	fmt.Fprintf(w, "scale %v zero %d\ny  %v\ndx %v\n", s, z, y.F32(), dx.F32())
	return err
}
