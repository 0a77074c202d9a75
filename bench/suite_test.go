package bench

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// suiteNames are promised to scripts: those of the command's design, and those
// that make bench-peers reads.
var suiteNames = map[string][]string{
	"kernels": slices.Concat([]string{"copy/f32/16Mi", "fakequant/per-tensor/16Mi", "fakequant/per-channel/4096x4096", "fakequant-observe/per-tensor/16Mi", "lsq/16Mi"},
		expand("gemm/s8/{1024,2048}"), []string{"gemm/f32/1024"}, expand("gemm/f32/{512,1024,2048}/{nn,nt,tn}"), expand("peak/{s8,f32,bf16}")),
	"steps": slices.Concat(expand("step/{cnn,mlp}/{float,qat,qat-frozen}/b128"), expand("memory/{cnn,mlp}/{float,qat,qat-frozen}/b128"),
		expand("allocs/step/{cnn,mlp}/{float,qat,qat-frozen}/b128")),
	"inference": slices.Concat(expand("infer/{cnn,mlp}/{float,int8}/b128"), expand("infer/{mobilenetv2,resnet18}/{float,int8}/b1"),
		expand("allocs/infer/{cnn,mlp}/{float,int8}/b128"), expand("allocs/infer/{mobilenetv2,resnet18}/{float,int8}/b1")),
}

// expand writes out the alternatives of a pattern like a shell.
func expand(p string) []string {
	open := strings.Index(p, "{")
	if open < 0 {
		return []string{p}
	}
	end := open + strings.Index(p[open:], "}")
	var all []string
	for _, a := range strings.Split(p[open+1:end], ",") {
		all = append(all, expand(p[:open]+a+p[end+1:])...)
	}
	return all
}

func TestSuiteNames(t *testing.T) {
	require.Equal(t, []string{"kernels", "steps", "inference"}, Suites())
	for _, s := range Suites() {
		assert.Equal(t, suiteNames[s], SuiteNames(s))
	}
	assert.Nil(t, SuiteNames("none"))
}

// TestSuiteNamesAreThoseOfTheDesign reads the names that the command promises;
// there may be more.
func TestSuiteNamesAreThoseOfTheDesign(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "design", "cli.md"))
	if err != nil {
		t.Skipf("no design document beside the repository: %v", err)
	}
	var promised, have []string
	for _, line := range strings.Split(string(b), "\n") {
		if !strings.Contains(line, "goqat bench --suite") {
			continue
		}
		for _, m := range regexp.MustCompile("`((?:copy|fakequant|lsq|gemm|step|infer)/[^`]*)`").FindAllStringSubmatch(line, -1) {
			promised = append(promised, expand(m[1])...)
		}
	}
	for _, s := range Suites() {
		have = append(have, SuiteNames(s)...)
	}
	require.NotEmpty(t, promised)
	assert.Subset(t, have, promised)
}

func TestRunSuite(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	var told []string
	o := SuiteOptions{Threads: 1, Progress: func(s string) {
		assert.Equal(t, 1, runtime.GOMAXPROCS(0))
		told = append(told, s)
	}, time: &quick}
	run := func(suite, filter string) []Result {
		o.Filter = filter
		rs, err := RunSuite(t.Context(), suite, o)
		require.NoError(t, err)
		return rs
	}
	rs := slices.Concat(run("kernels", "s8/1024"), run("kernels", "f32/512"), run("steps", "mlp/float"), run("inference", "mlp/int8"))
	var names []string
	for _, r := range rs {
		names = append(names, r.Name)
		kind, _, _ := strings.Cut(r.Name, "/")
		if kind == "allocs" {
			assert.Zero(t, r.Value, r.Name)
		} else {
			assert.Positive(t, r.Value, r.Name)
		}
		assert.NotEmpty(t, r.ISA)
		assert.Equal(t, map[string]string{"gemm": "GOP/s", "step": "ms", "infer": "ms", "memory": "bytes", "allocs": "allocs"}[kind], r.Unit)
	}
	assert.Equal(t, []string{"gemm/s8/1024", "gemm/f32/512/nn", "gemm/f32/512/nt", "gemm/f32/512/tn",
		"step/mlp/float/b128", "memory/mlp/float/b128", "allocs/step/mlp/float/b128", "infer/mlp/int8/b128", "allocs/infer/mlp/int8/b128"}, names)
	assert.Len(t, told, len(names))
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
	assert.NotNil(t, run("kernels", "nothing at all"), "JSON of no result is an empty list")
}

// TestElementKernels runs those of the suite on few elements.
func TestElementKernels(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	defer b.Close()
	for _, prepare := range []func() (func(int) error, error){
		func() (func(int) error, error) { return copyRun(1<<18 + 5), nil },
		func() (func(int) error, error) {
			return fakeQuantRun(t.Context(), b, backend.FakeQuant{Scheme: quant.Int8()}, tensor.Shape{1003}, 1)
		},
		func() (func(int) error, error) {
			return fakeQuantRun(t.Context(), b, backend.FakeQuant{Scheme: quant.Weights(8)}, tensor.Shape{7, 33}, 7)
		},
		func() (func(int) error, error) { return observeRun(t.Context(), b, tensor.Shape{1003}) },
		func() (func(int) error, error) { return lsqRun(t.Context(), b, tensor.Shape{1003}) },
		func() (func(int) error, error) { return codeProductRun(t.Context(), b, 33) },
		func() (func(int) error, error) { return productRun(t.Context(), b, "nn", 33) },
		func() (func(int) error, error) { return productRun(t.Context(), b, "nt", 33) },
		func() (func(int) error, error) { return productRun(t.Context(), b, "tn", 33) },
		func() (func(int) error, error) { return stepRun(t.Context(), b, "mlp", stepFrozen, 2) },
		func() (func(int) error, error) { return stepRun(t.Context(), b, "cnn", stepQAT, 2) },
	} {
		run, err := prepare()
		require.NoError(t, err)
		require.NoError(t, run(0))
		require.NoError(t, run(1))
	}
}

func TestFigure(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	defer b.Close()
	f, err := OpenFigure(t.Context(), b, "gemm/f32/512/nt")
	require.NoError(t, err)
	times, err := f.Times(t.Context(), Options{Warmup: -1, MinTime: 1, MinRuns: 3, MaxRuns: 3})
	require.NoError(t, err)
	require.Len(t, times, 3)
	assert.Equal(t, "GOP/s", f.Unit())
	assert.Equal(t, 2*0.512*0.512*0.512, f.Value(1000))
	for _, name := range []string{"gemm/f32/513", "memory/cnn/qat/b128", ""} {
		_, err = OpenFigure(t.Context(), b, name)
		require.ErrorIs(t, err, ErrSuite, name)
	}
}

func TestCountAllocations(t *testing.T) {
	var keep []byte
	n, err := countAllocations(func(int) error { keep = make([]byte, 1<<10); return nil })
	require.NoError(t, err)
	require.Len(t, keep, 1<<10)
	assert.GreaterOrEqual(t, n, 1.0)
	n, err = countAllocations(func(int) error { return nil })
	require.NoError(t, err)
	assert.Zero(t, n)
	_, err = countAllocations(func(int) error { return backend.ErrNaN })
	require.ErrorIs(t, err, backend.ErrNaN)
}

func TestRunSuiteErrors(t *testing.T) {
	_, err := RunSuite(t.Context(), "none", SuiteOptions{})
	require.ErrorIs(t, err, ErrSuite)
	_, err = RunSuite(t.Context(), "kernels", SuiteOptions{Filter: "("})
	require.ErrorIs(t, err, ErrSuite)
	_, err = RunSuite(t.Context(), "kernels", SuiteOptions{Threads: -1})
	require.ErrorIs(t, err, ErrSuite)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = RunSuite(ctx, "inference", SuiteOptions{Filter: "cnn/float"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestModelsNotInThisBuildAreLeftOut(t *testing.T) {
	_, err := build("a model of tomorrow", nil, 0)
	require.ErrorIs(t, err, errNotHere)
}
