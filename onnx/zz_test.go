package onnx
import ("testing"; _ "github.com/goqat/goqat/backend/cpu"; _ "github.com/goqat/goqat/op"; _ "github.com/goqat/goqat/program")
func TestX(t *testing.T) {}
