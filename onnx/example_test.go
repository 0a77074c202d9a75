package onnx_test

import (
	"bytes"
	"fmt"

	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx"
)

// A model is written channels first and read back channels last.
func Example() {
	g, err := nn.Build("cnn", nil, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := onnx.Write(&file, g, onnx.WriteOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	back, info, err := onnx.Read(file.Bytes(), onnx.ReadOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Inputs[0])
	fmt.Println(back.Inputs()[0].Spec())
	// Output:
	// input FLOAT[batch, 1, 28, 28]
	// float32[1, 28, 28, 1]
}
