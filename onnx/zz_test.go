package onnx

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	seeds := small(t)
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"float", "qdq", "qoperator", "w4a4"}
	var worst time.Duration
	start := time.Now()
	n := 0
	for time.Since(start) < 30*time.Second {
		b := bytes.Clone(seeds[names[r.IntN(4)]])
		for range 1 + r.IntN(6) {
			switch r.IntN(4) {
			case 0:
				b[r.IntN(len(b))] = byte(r.IntN(256))
			case 1:
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			case 2:
				i := r.IntN(len(b))
				j := min(len(b), i+r.IntN(40))
				b = append(b[:i:i], b[j:]...)
			case 3:
				i := r.IntN(len(b))
				b = append(b[:i:i], append([]byte{byte(r.IntN(256)), byte(r.IntN(256))}, b[i:]...)...)
			}
		}
		os.WriteFile("/tmp/onnxh/last.bin", b, 0o644)
		s := time.Now()
		g, _, err := read(b, ReadOptions{})
		if err == nil {
			var out bytes.Buffer
			if Write(&out, g, WriteOptions{}) == nil {
				if _, _, err := read(out.Bytes(), ReadOptions{}); err != nil {
					t.Errorf("unreadable: %v", err)
					os.WriteFile("/tmp/onnxh/unreadable.bin", b, 0o644)
				}
			}
		}
		if d := time.Since(s); d > worst {
			worst = d
			os.WriteFile("/tmp/onnxh/worst.bin", b, 0o644)
		}
		n++
	}
	t.Log(n, worst)
}
