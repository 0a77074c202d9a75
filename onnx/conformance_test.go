package onnx

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
	"github.com/stretchr/testify/require"
)

// shared returns the path of a file of the data beside the project; it skips
// the test where that is absent.
func shared(t testing.TB, name string) string {
	p := filepath.Join("..", "..", "shared", "data", filepath.FromSlash(name))
	if _, err := os.Stat(p); err != nil {
		t.Skipf("no %s beside the project", name)
	}
	return p
}

// archive calls f for each file of a .tar.xz.
func archive(t testing.TB, name string, f func(name string, b []byte)) {
	file := shared(t, name)
	xz, err := exec.LookPath("xz")
	if err != nil {
		t.Skip("no xz to unpack the data with")
	}
	cmd := exec.Command(xz, "-dc", file)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := tar.NewReader(out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		f(h.Name, b)
	}
	require.NoError(t, cmd.Wait())
}

// testCase is a model with inputs and outputs.
type testCase struct {
	name  string
	model []byte
	files map[string][]byte // "test_data_set_0/input_0.pb"
}

// cases returns the cases in an archive, by folder.
func cases(t testing.TB, name string) []*testCase {
	var all []*testCase
	byDir := map[string]*testCase{}
	get := func(dir string) *testCase {
		if byDir[dir] == nil {
			byDir[dir] = &testCase{name: path.Base(dir), files: map[string][]byte{}}
			all = append(all, byDir[dir])
		}
		return byDir[dir]
	}
	archive(t, name, func(name string, b []byte) {
		dir, file := path.Split(name)
		dir = strings.TrimSuffix(dir, "/")
		if set := path.Base(dir); strings.HasPrefix(set, "test_data_set_") {
			get(path.Dir(dir)).files[set+"/"+file] = b
		} else if file == "model.onnx" {
			get(dir).model = b
		}
	})
	slices.SortFunc(all, func(a, b *testCase) int { return strings.Compare(a.name, b.name) })
	return all
}

// run runs g on inputs in the graph's order.
func run(t testing.TB, g *graph.Graph, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	t.Helper()
	ctx := context.Background()
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	p, err := program.Compile(ctx, g, program.Options{Backend: b, Mode: graph.Eval, Memory: 1 << 30})
	if err != nil {
		return nil, err
	}
	for i, v := range g.Inputs() {
		if i >= len(in) {
			return nil, fmt.Errorf("no data for input %s", v.Name())
		}
		if err := p.SetInput(ctx, v.Name(), in[i]); err != nil {
			return nil, err
		}
	}
	if err := p.Run(ctx); err != nil {
		return nil, err
	}
	var out []*tensor.Tensor
	for _, o := range g.Outputs() {
		y, err := p.OutputTensor(ctx, o.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, y)
	}
	return out, nil
}

// tensorFile decodes a TensorProto that is a file.
func tensorFile(b []byte) (*tensor.Tensor, error) {
	t, _, err := tensorOf(b)
	return t, err
}

// tensorOf is tensorFile that also returns the tolerance of the type: goqat
// computes in float32 what is in 16 bits in the file.
func tensorOf(b []byte) (*tensor.Tensor, float64, error) {
	m, err := pb.DecodeTensor(b)
	if err != nil {
		return nil, 0, err
	}
	tol := 1e-3
	if m.Type == pb.Uint16 { // How the suite stores BFLOAT16.
		m.Type, tol = pb.BFloat16, 1.0/128
	}
	t, err := (&reader{budget: 1 << 30}).decode(m)
	return t, tol, err
}

// closeTo compares at the tolerance of the ONNX backend tests.
func closeTo(got, want *tensor.Tensor, rtol, atol float64) error {
	if !got.Shape().Equal(want.Shape()) {
		return fmt.Errorf("shape %v, want %v", got.Shape(), want.Shape())
	}
	for i := range want.Numel() {
		a, b := got.At(i), want.At(i)
		if a == b || math.IsNaN(a) && math.IsNaN(b) {
			continue
		}
		if !(math.Abs(a-b) <= atol+rtol*math.Abs(b)) {
			return fmt.Errorf("element %d is %v, want %v", i, a, b)
		}
	}
	return nil
}

// constants returns the data of all inputs but the first.
func (c *testCase) constants() (map[string]*tensor.Tensor, error) {
	m, err := pb.DecodeModel(c.model)
	if err != nil {
		return nil, err
	}
	fixed := map[string]*tensor.Tensor{}
	for i, v := range m.Graph.Inputs {
		b, ok := c.files[fmt.Sprintf("test_data_set_0/input_%d.pb", i)]
		if i == 0 && len(m.Graph.Inputs) > 1 || !ok {
			continue
		}
		if fixed[v.Name], err = tensorFile(b); err != nil {
			return nil, err
		}
	}
	return fixed, nil
}

// errata are cases whose expected output is not what the operator's text says.
var errata = map[string]string{
	"test_qlinearmatmul_2D_int8_float16": "wraps where QLinearMatMul saturates; ONNX Runtime saturates",
	"test_qlinearmatmul_2D_int8_float32": "the same",
	"test_qlinearmatmul_3D_int8_float16": "the same",
	"test_qlinearmatmul_3D_int8_float32": "the same",
}

// check reads and runs a case. typed says that it was refused with a typed
// error.
func (c *testCase) check(t testing.TB, o ReadOptions) (typed bool, err error) {
	g, _, err := read(c.model, o)
	if err != nil && o.Constants == nil && strings.Contains(err.Error(), "computed, not constant") {
		// The suite makes everything an input, axes and shapes too.
		if o.Constants, err = c.constants(); err != nil {
			return false, err
		}
		return c.check(t, o)
	}
	if err != nil {
		return errors.Is(err, ErrUnsupported), err
	}
	for set := 0; ; set++ {
		dir := fmt.Sprintf("test_data_set_%d/", set)
		var in, want []*tensor.Tensor
		var tols []float64
		for i := range len(g.Inputs()) + len(o.Constants) {
			b, ok := c.files[fmt.Sprintf("%sinput_%d.pb", dir, i)]
			if !ok {
				break
			}
			if len(in) == len(g.Inputs()) {
				break // The others are constants.
			}
			x, err := tensorFile(b)
			if err != nil {
				return false, fmt.Errorf("input %d: %w", i, err)
			}
			in = append(in, x)
		}
		for i := range g.Outputs() {
			b, ok := c.files[fmt.Sprintf("%soutput_%d.pb", dir, i)]
			if !ok {
				break
			}
			y, tol, err := tensorOf(b)
			if err != nil {
				return false, fmt.Errorf("output %d: %w", i, err)
			}
			want, tols = append(want, y), append(tols, tol)
		}
		if len(want) == 0 {
			if set == 0 {
				return false, errors.New("no test data")
			}
			return false, nil
		}
		got, err := run(t, g, in)
		if err != nil {
			return false, err
		}
		for i := range want {
			if err := closeTo(got[i], want[i], tols[i], 1e-6); err != nil {
				return false, fmt.Errorf("output %d: %w", i, err)
			}
		}
	}
}

// TestNodeCases runs the single-operator cases of the ONNX project: each one
// gives the expected outputs or is refused with ErrUnsupported.
func TestNodeCases(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite")
	}
	all := cases(t, "onnx-node/onnx-1.17.0-node.tar.xz")
	passed, refused := 0, 0
	for _, c := range all {
		if why, ok := errata[c.name]; ok {
			t.Logf("left out: %s: %s", c.name, why)
			continue
		}
		typed, err := c.check(t, ReadOptions{KeepInputLayout: true})
		switch {
		case err == nil:
			passed++
		case typed:
			refused++
			t.Logf("refused: %s: %v", c.name, err)
		default:
			t.Errorf("%s: %v", c.name, err)
		}
	}
	t.Logf("%d of %d cases pass, %d are refused", passed, len(all), refused)
}

// TestModelCases imports the models of the ONNX project: exports of PyTorch
// and the like.
func TestModelCases(t *testing.T) {
	passed, refused := 0, 0
	all := cases(t, "onnx-node/onnx-light-simple-pytorch.tar.xz")
	for _, c := range all {
		for _, o := range []ReadOptions{{KeepInputLayout: true}, {}} {
			if !o.KeepInputLayout {
				// Channels last the data of the suite does not fit: reading
				// alone is tried.
				_, _, err := read(c.model, o)
				if err != nil && !errors.Is(err, ErrUnsupported) {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			typed, err := c.check(t, o)
			switch {
			case err == nil:
				passed++
			case typed:
				refused++
				t.Logf("refused: %s: %v", c.name, err)
			default:
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	t.Logf("%d of %d cases pass, %d are refused", passed, len(all), refused)
}

// TestLightModels imports whole networks, whose weights are computed
// constants, and runs them.
func TestLightModels(t *testing.T) {
	if testing.Short() {
		t.Skip("networks of full size")
	}
	files := map[string][]byte{}
	archive(t, "onnx-node/onnx-light-simple-pytorch.tar.xz", func(name string, b []byte) {
		if dir, file := path.Split(name); path.Base(dir) == "light" {
			files[file] = b
		}
	})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		name, ok := strings.CutSuffix(name, ".onnx")
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g, info, err := read(files[name+".onnx"], ReadOptions{KeepInputLayout: true, Memory: 1 << 28})
			if err != nil {
				require.ErrorIs(t, err, ErrUnsupported)
				t.Skipf("refused: %v", err)
			}
			t.Logf("opset %d, %d nodes, %v", info.Opset, len(g.Nodes()), info.Inputs)
			x := tensor.New(g.Inputs()[0].Spec())
			n := x.Numel()
			for i := range n {
				x.F32()[i] = float32(float64(i-n/2) / float64(n))
			}
			got, err := run(t, g, []*tensor.Tensor{x})
			require.NoError(t, err)
			want, err := tensorFile(files[name+"_output_0.pb"])
			require.NoError(t, err)
			require.NoError(t, closeTo(got[0], want, 1e-3, 1e-5))
		})
	}
}
