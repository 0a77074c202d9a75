package onnx
import ("testing";"os";"github.com/goqat/goqat/nn";"github.com/goqat/goqat/qat")
func TestZZ(t *testing.T) {
	g, _ := nn.Build("lenet", nil, 0, 1)
	g = converted(t, g, qat.Default())
	for i := range 3 {
		b := bytesOf(t, g, WriteOptions{})
		os.WriteFile("/tmp/onnxh/zz"+string(rune('0'+i))+".onnx", b, 0o644)
		g, _, _ = read(b, ReadOptions{})
	}
}
