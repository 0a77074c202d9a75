package quant_test

import (
	"archive/zip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// array is one array of an npz file; bools are 0 and 1.
type array struct {
	shape []int
	v     []float32
}

// ints returns the values as int32.
func (a array) ints() []int32 {
	out := make([]int32, len(a.v))
	for i, v := range a.v {
		out[i] = int32(v)
	}
	return out
}

// torchCase is one entry of the vectors' JSON file.
type torchCase struct {
	ID         string
	Kind       string
	Scale      float64
	ZP         int32
	QMin, QMax int32
	Axis       int
	Symmetric  bool
	PerRow     bool    `json:"per_row"`
	GradFactor float64 `json:"grad_factor"`
}

// torchVectors opens the values PyTorch computed; it skips the test when the
// folder beside the repository is not there.
func torchVectors(t *testing.T) ([]torchCase, func(name string) array) {
	t.Helper()
	base := filepath.Join("..", "..", "shared", "vectors", "fakequant_torch-2.15.0")
	b, err := os.ReadFile(base + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no PyTorch vectors beside the repository")
	}
	require.NoError(t, err)
	var doc struct{ Cases []torchCase }
	require.NoError(t, json.Unmarshal(b, &doc))
	z, err := zip.OpenReader(base + ".npz")
	require.NoError(t, err)
	t.Cleanup(func() { z.Close() })
	return doc.Cases, func(name string) array {
		f, err := z.Open(name + ".npy")
		require.NoError(t, err)
		defer f.Close()
		b, err := io.ReadAll(f)
		require.NoError(t, err)
		a, err := parseNPY(b)
		require.NoError(t, err, name)
		return a
	}
}

// parseNPY reads the three element types of the vectors, version 1 headers.
func parseNPY(b []byte) (array, error) {
	n := int(binary.LittleEndian.Uint16(b[8:]))
	head, data := string(b[10:10+n]), b[10+n:]
	_, shape, _ := strings.Cut(head, "(")
	shape, _, _ = strings.Cut(shape, ")")
	a := array{}
	for _, s := range strings.Split(shape, ",") {
		if s = strings.TrimSpace(s); s != "" {
			d, err := strconv.Atoi(s)
			if err != nil {
				return a, err
			}
			a.shape = append(a.shape, d)
		}
	}
	switch {
	case strings.Contains(head, "'<f4'"):
		for i := 0; i < len(data); i += 4 {
			a.v = append(a.v, math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
		}
	case strings.Contains(head, "'<i4'"):
		for i := 0; i < len(data); i += 4 {
			a.v = append(a.v, float32(int32(binary.LittleEndian.Uint32(data[i:]))))
		}
	case strings.Contains(head, "'|b1'"):
		for _, v := range data {
			a.v = append(a.v, float32(v))
		}
	default:
		return a, fmt.Errorf("element type of %s", head)
	}
	return a, nil
}
