package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/tensor"
)

// shared returns a folder beside the repository, or skips.
func shared(t *testing.T, elem ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{"..", "..", "shared"}, elem...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s beside the repository", filepath.Join(append([]string{"shared"}, elem...)...))
	}
	return dir
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

// all returns the samples and labels of a data set, one after the other.
func all(t *testing.T, ds Dataset) (x []float32, y []int32) {
	t.Helper()
	n := ds.Shape().Numel()
	x = make([]float32, n*ds.Len())
	for i := range ds.Len() {
		l, err := ds.Sample(i, x[i*n:(i+1)*n])
		require.NoError(t, err)
		y = append(y, l)
	}
	return x, y
}

// checkOneLine: an error of this package names what it should, in one line.
func checkOneLine(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	assert.True(t, strings.HasPrefix(err.Error(), "data: "), "%v", err)
	assert.NotContains(t, err.Error(), "\n")
	for _, s := range says {
		assert.ErrorContains(t, err, s)
	}
}

func TestOpenRefusesUsage(t *testing.T) {
	ctx := t.Context()
	for _, spec := range []string{"", "cifar:dir", "csv", "csv:", "idx:one", "idx:,", "mnist"} {
		_, err := Open(ctx, spec, Options{})
		checkOneLine(t, err, ErrSpec)
	}
	_, err := Open(ctx, "digits:somewhere", Options{})
	checkOneLine(t, err, ErrSpec)
	for _, o := range []Options{
		{ValFraction: 1}, {ValFraction: -0.1}, {MaxSamples: -1}, {Size: -1}, {Size: 5000}, {Window: -1},
		{Mel: Mel{Bands: 1000}}, {Mel: Mel{Frame: 1}}, {Mel: Mel{Hop: -1}}, {Mel: Mel{Clip: 1}},
	} {
		_, err := Open(ctx, "digits", o)
		checkOneLine(t, err, ErrSpec)
	}
	for _, spec := range []string{"idx:none,none", "npz:none", "csv:none", "images:none", "wav:none", "text:none"} {
		_, err := Open(ctx, spec, Options{})
		require.ErrorIs(t, err, os.ErrNotExist)
		assert.ErrorContains(t, err, "none")
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = Open(canceled, "digits", Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestSplitIndex(t *testing.T) {
	labels := make([]int32, 1003)
	for i := range labels {
		labels[i] = int32(i * i % 7 % 3)
	}
	labels[17] = 5 // a class of one
	train, val, err := splitIndex(len(labels), labels, 0.25, 9)
	require.NoError(t, err)
	seen := map[int32]int{}
	count := map[int32][2]int{}
	for part, index := range [][]int32{train, val} {
		assert.IsIncreasing(t, index)
		for _, i := range index {
			seen[i]++
			c := count[labels[i]]
			c[part]++
			count[labels[i]] = c
		}
	}
	assert.Len(t, seen, len(labels))
	assert.Equal(t, [2]int{1, 0}, count[5])
	for class, c := range count {
		assert.InDelta(t, 0.25*float64(c[0]+c[1]), c[1], 0.5, "class %d", class)
	}
	again, _, _ := splitIndex(len(labels), labels, 0.25, 9)
	assert.Equal(t, train, again)
	other, _, _ := splitIndex(len(labels), labels, 0.25, 10)
	assert.NotEqual(t, train, other)

	train, val, err = splitIndex(3, []int32{0, 1, 2}, 0.1, 1)
	require.NoError(t, err)
	assert.Len(t, val, 1, "never empty")
	assert.Len(t, train, 2)
	_, _, err = splitIndex(1, nil, 0.1, 1)
	require.Error(t, err)
}

func TestMaxSamples(t *testing.T) {
	s, err := Open(t.Context(), "digits", Options{MaxSamples: 100})
	require.NoError(t, err)
	assert.Equal(t, 100, s.Train.Len())
	assert.Equal(t, 100, s.Val.Len())
	_, y := all(t, s.Train)
	other, err := Open(t.Context(), "digits", Options{MaxSamples: 100, Seed: 1})
	require.NoError(t, err)
	_, z := all(t, other.Train)
	assert.NotEqual(t, y, z)
	_, err = s.Train.Sample(100, make([]float32, 784))
	require.Error(t, err)
	_, err = s.Train.Sample(0, make([]float32, 783))
	require.Error(t, err)
}

func TestNPZ(t *testing.T) {
	x := make([]uint8, 10*2*3)
	y := make([]int64, 10)
	for i := range x {
		x[i] = uint8(i * 4)
		y[i/6] = int64(i / 6 % 2)
	}
	path := filepath.Join(t.TempDir(), "a.npz")
	save := func(arrays ...npy.Named) { require.NoError(t, npy.WriteNPZ(path, true, arrays...)) }
	images, labels := tensor.FromU8(x, 10, 2, 3), tensor.FromI64(y, 10, 1)

	save(npy.Named{Name: "x", Tensor: images}, npy.Named{Name: "y", Tensor: labels})
	s, err := Open(t.Context(), "npz:"+path, Options{ValFraction: 0.4})
	require.NoError(t, err)
	assert.Equal(t, "npz", s.Name)
	assert.Equal(t, tensor.Shape{2, 3, 1}, s.Train.Shape())
	assert.Equal(t, 2, s.Train.Classes())
	assert.Equal(t, 6, s.Train.Len())
	v, _ := all(t, s.Val)
	for _, f := range v {
		assert.True(t, f >= 0 && f <= 1)
	}

	save(npy.Named{Name: "x_train", Tensor: tensor.FromF64([]float64{1, 2, 3, 5, 5, 5}, 3, 2)},
		npy.Named{Name: "x_test", Tensor: tensor.FromF64([]float64{4, 0}, 1, 2)})
	s, err = Open(t.Context(), "npz:"+path, Options{Normalize: true})
	require.NoError(t, err)
	assert.Zero(t, s.Train.Classes(), "no y: no labels")
	assert.Equal(t, []float32{3, 4}, s.Mean)
	assert.InDeltaSlice(t, []float32{1.6329932, 1.4142135}, s.Std, 1e-6)
	v, _ = all(t, s.Val)
	assert.InDeltaSlice(t, []float32{0.6123724, -2.828427}, v, 1e-6)

	nan := float32(0)
	nan /= nan
	for name, c := range map[string]struct {
		arrays []npy.Named
		says   string
	}{
		"names":       {[]npy.Named{{Name: "a", Tensor: images}}, "x_train"},
		"rank":        {[]npy.Named{{Name: "x", Tensor: tensor.FromF32([]float32{1}, 1)}}, "[samples, ...]"},
		"empty":       {[]npy.Named{{Name: "x", Tensor: tensor.FromF32(nil, 0, 3)}}, "at least one"},
		"nan":         {[]npy.Named{{Name: "x", Tensor: tensor.FromF32([]float32{0, 1, 2, nan}, 2, 2)}}, "element 3 (sample 1)"},
		"count":       {[]npy.Named{{Name: "x", Tensor: images}, {Name: "y", Tensor: tensor.FromI64(y[:9], 9)}}, "9 labels for 10"},
		"one-hot":     {[]npy.Named{{Name: "x", Tensor: images}, {Name: "y", Tensor: tensor.FromU8(make([]uint8, 20), 10, 2)}}, "argmax"},
		"negative":    {[]npy.Named{{Name: "x", Tensor: images}, {Name: "y", Tensor: tensor.FromI8([]int8{0, 0, 0, -1, 0, 0, 0, 0, 0, 0}, 10)}}, "label 3 is -1"},
		"fraction":    {[]npy.Named{{Name: "x", Tensor: images}, {Name: "y", Tensor: tensor.FromF64([]float64{0, .5, 0, 1, 0, 0, 0, 0, 0, 0}, 10)}}, "label 1 is 0.5"},
		"large label": {[]npy.Named{{Name: "x", Tensor: images}, {Name: "y", Tensor: tensor.FromI64([]int64{0, 1 << 40, 0, 1, 0, 0, 0, 0, 0, 0}, 10)}}, "label 1 is"},
		"test shape":  {[]npy.Named{{Name: "x_train", Tensor: images}, {Name: "x_test", Tensor: tensor.FromU8(x[:5], 1, 5)}}, "same shape"},
		"test type":   {[]npy.Named{{Name: "x_train", Tensor: images}, {Name: "x_test", Tensor: tensor.FromF32(make([]float32, 6), 1, 2, 3, 1)}}, "one type"},
		"one sample":  {[]npy.Named{{Name: "x", Tensor: tensor.FromU8(x[:6], 1, 2, 3)}}, "cannot be divided"},
	} {
		t.Run(name, func(t *testing.T) {
			save(c.arrays...)
			_, err := Open(t.Context(), "npz:"+path, Options{})
			checkOneLine(t, err, ErrData, path, c.says)
		})
	}
	_, err = Open(t.Context(), "npz:"+write(t, "b.npz", []byte("not a zip")), Options{})
	checkOneLine(t, err, ErrData, "b.npz")
}

// TestManyChannels compares the two ways in which bytes become values.
func TestManyChannels(t *testing.T) {
	for _, c := range []int{1, 3, maxLUT, maxLUT + 1} {
		pix := make([]uint8, 4*c)
		for i := range pix {
			pix[i] = uint8(i * 37)
		}
		p := newPixels(meta{shape: tensor.Shape{2, c}}, pix, nil)
		mean, std := p.stats([]int32{0, 1})
		p.normalize(mean, std)
		x, _ := all(t, p)
		sum, sq := make([]float64, c), make([]float64, c)
		for i, v := range x {
			require.Equal(t, (float32(pix[i])/255-mean[i%c])/std[i%c], v)
			sum[i%c] += float64(v)
			sq[i%c] += float64(v) * float64(v)
		}
		for k := range sum {
			assert.InDelta(t, 0, sum[k]/4, 1e-5)
			assert.InDelta(t, 1, sq[k]/4, 1e-4)
		}
	}
	p := newPixels(meta{shape: tensor.Shape{1}}, []uint8{7, 7}, nil)
	_, std := p.stats([]int32{0, 1})
	assert.Equal(t, []float32{1}, std, "a constant is only shifted")
}

func TestText(t *testing.T) {
	text := []byte(strings.Repeat("abcdefghij", 20))
	path := write(t, "a.txt", text)
	s, err := Open(t.Context(), "text:"+path, Options{Window: 8, Normalize: true})
	require.NoError(t, err)
	assert.Equal(t, 256, s.Train.Classes())
	assert.Equal(t, tensor.Shape{8}, s.Train.Shape())
	assert.Equal(t, 180-8, s.Train.Len())
	assert.Equal(t, 20-8, s.Val.Len())
	x := make([]float32, 8)
	y, err := s.Val.Sample(11, x)
	require.NoError(t, err)
	assert.EqualValues(t, text[199], y)
	assert.Equal(t, []float32{'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'}, x)
	assert.Nil(t, s.Mean)

	_, err = Open(t.Context(), "text:"+path, Options{Window: 100})
	checkOneLine(t, err, ErrData, path, "smaller window")
	_, err = Open(t.Context(), "text:"+filepath.Dir(path), Options{})
	checkOneLine(t, err, ErrData, "regular")
}

func TestParallelReturnsLowestError(t *testing.T) {
	err := parallel(t.Context(), 1000, func(_, i int) error { return fmt.Errorf("call %d", i) })
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	boom := errors.New("boom")
	require.ErrorIs(t, parallel(ctx, 3, func(_, i int) error { return boom }), boom)
	cancel()
	require.ErrorIs(t, parallel(ctx, 3, func(_, i int) error { return nil }), context.Canceled)
}

func ExampleOpen() {
	s, err := Open(context.Background(), "digits", Options{Normalize: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Name, s.Train.Len(), s.Val.Len(), s.Train.Shape(), s.Train.Classes())
	// Output: digits 6000 1500 [28, 28, 1] 10
}
