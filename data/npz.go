package data

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/tensor"
)

// openNPZ opens an archive with the arrays x and y, or x_train, y_train, x_test
// and y_test. The x arrays are [samples, ...], channels last: bytes of rank 3 are
// gray images and get a channel dimension, and bytes are divided by 255. The y
// arrays are whole numbers [samples] or [samples, 1]; without any y there are no
// labels.
func openNPZ(ctx context.Context, path string, opt *Options) (*Splits, error) {
	a, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w: %w", ErrData, err)
	}
	defer a.Close()
	r := npzReader{a, path}
	if !a.Has("x_train") {
		if !a.Has("x") {
			return nil, badData(path, "needs the arrays x and y, or x_train, y_train, x_test and y_test; it has %v", a.Names())
		}
		ds, labels, err := r.part("x", "y")
		if err != nil {
			return nil, err
		}
		return splitOne(ds, labels, path, opt)
	}
	train, labels, err := r.part("x_train", "y_train")
	if err != nil {
		return nil, err
	}
	if !a.Has("x_test") {
		return splitOne(train, labels, path, opt)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("data: opening %s: %w", path, err)
	}
	val, _, err := r.part("x_test", "y_test")
	if err != nil {
		return nil, err
	}
	if !train.Shape().Equal(val.Shape()) || (train.Classes() == 0) != (val.Classes() == 0) {
		return nil, badData(path, "x_train has samples of %v, x_test of %v; both need the same shape and both or neither labels",
			train.Shape(), val.Shape())
	}
	_, a8 := train.(*pixels)
	if _, b8 := val.(*pixels); a8 != b8 {
		return nil, badData(path, "one of x_train and x_test has bytes and the other numbers; save both with one type")
	}
	n := max(train.Classes(), val.Classes())
	setClasses(train, n)
	setClasses(val, n)
	return splitTwo(train, val, opt), nil
}

func setClasses(ds normalizer, n int) {
	switch d := ds.(type) {
	case *pixels:
		d.classes = n
	case *table:
		d.classes = n
	}
}

type npzReader struct {
	*npy.Archive
	path string
}

// part reads samples and labels; a missing label array means none.
func (r npzReader) part(xName, yName string) (normalizer, []int32, error) {
	x, err := r.array(xName)
	if err != nil {
		return nil, nil, err
	}
	shape := x.Shape()
	if len(shape) < 2 || x.Numel() == 0 {
		return nil, nil, badData(r.path, "%s is %v; it needs the form [samples, ...] and at least one element", xName, x)
	}
	m := meta{shape: shape[1:].Clone()}
	var labels []int32
	if r.Has(yName) {
		y, err := r.array(yName)
		if err != nil {
			return nil, nil, err
		}
		if labels, err = labelsOf(y, shape[0]); err != nil {
			return nil, nil, badData(r.path, "%s: %w", yName, err)
		}
		m.classes = int(slices.Max(labels)) + 1
	}
	if x.DType() == tensor.U8 {
		if len(m.shape) == 2 {
			m.shape = append(m.shape, 1)
		}
		return newPixels(m, x.U8(), labels), labels, nil
	}
	v, err := floatsOf(x)
	if err != nil {
		return nil, nil, badData(r.path, "%s: %w", xName, err)
	}
	return &table{meta: m, x: v, labels: labels}, labels, nil
}

func (r npzReader) array(name string) (*tensor.Tensor, error) {
	t, err := r.Read(name)
	if err != nil {
		return nil, badData(r.path, "%w", err)
	}
	return t, nil
}

// floatsOf returns the elements as float32 and refuses what is not finite.
func floatsOf(t *tensor.Tensor) ([]float32, error) {
	v := t.F32()
	if v == nil {
		v = make([]float32, t.Numel())
		for i := range v {
			v[i] = float32(t.At(i))
		}
	}
	for i, f := range v {
		if f-f != 0 {
			return nil, fmt.Errorf("element %d (sample %d) is %v; remove or replace such values", i, i/t.Shape()[1:].Numel(), f)
		}
	}
	return v, nil
}

// labelsOf returns n labels from whole numbers [n] or [n, 1].
func labelsOf(y *tensor.Tensor, n int) ([]int32, error) {
	s := y.Shape()
	if !(len(s) == 1 || len(s) == 2 && s[1] == 1) {
		return nil, fmt.Errorf("%v is not [samples]; for one-hot labels save y.argmax(1)", y)
	}
	if s[0] != n {
		return nil, fmt.Errorf("%d labels for %d samples", s[0], n)
	}
	labels := make([]int32, n)
	for i := range labels {
		v := y.At(i)
		if v != math.Trunc(v) || !(v >= 0 && v < MaxClasses) {
			return nil, fmt.Errorf("label %d is %v, not a whole number from 0 to %d", i, v, MaxClasses-1)
		}
		labels[i] = int32(v)
	}
	return labels, nil
}
