package safetensors_test

import (
	"bytes"
	"fmt"

	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/tensor"
)

func ExampleRead() {
	var file bytes.Buffer
	err := safetensors.Write(&file, []safetensors.Named{
		{Name: "conv.weight", Tensor: tensor.FromF32([]float32{1, 2, 3, 4}, 2, 2)},
		{Name: "step", Tensor: tensor.FromI64([]int64{100})},
	}, map[string]string{"format": "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := safetensors.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range f.List() {
		fmt.Println(t.Name, t.Tensor)
	}
	// Output:
	// conv.weight float32[2, 2]
	// step int64[]
}
