package data

import (
	"fmt"
	"math"
	"slices"

	"github.com/goqat/goqat/tensor"
)

// meta is what all samples of a data set share.
type meta struct {
	shape   tensor.Shape
	classes int
	names   []string
}

func (m *meta) Shape() tensor.Shape  { return m.shape.Clone() }
func (m *meta) Classes() int         { return m.classes }
func (m *meta) ClassNames() []string { return slices.Clone(m.names) }

// checkSample returns an error unless i is one of n samples and x has their size.
func (m *meta) checkSample(i, n int, x []float32) error {
	if i < 0 || i >= n {
		return fmt.Errorf("data: sample %d of %d", i, n)
	}
	if len(x) != m.shape.Numel() {
		return fmt.Errorf("data: %d elements for a sample of shape %v", len(x), m.shape)
	}
	return nil
}

// pixels is a data set of bytes in memory: images, mostly.
type pixels struct {
	meta
	pix       []uint8 // [samples, shape...]
	labels    []int32 // nil when classes is 0
	mean, std []float32
	lut       []float32 // the value of each byte, for each of few channels
}

// maxLUT is the number of channels up to which there is a table of values.
const maxLUT = 16

// newPixels returns a data set whose values are pix/255.
func newPixels(m meta, pix []uint8, labels []int32) *pixels {
	p := &pixels{meta: m, pix: pix, labels: labels}
	p.normalize(nil, nil)
	return p
}

// normalize makes the values (pix/255 - mean)/std, each operation rounded to
// float32; with nil arguments pix/255.
func (p *pixels) normalize(mean, std []float32) {
	p.mean, p.std = mean, std
	c := p.shape.Last()
	if c > maxLUT {
		return
	}
	p.lut = make([]float32, 256*c)
	for k := range c {
		for v := range 256 {
			p.lut[256*k+v] = p.value(uint8(v), k)
		}
	}
}

func (p *pixels) value(v uint8, channel int) float32 {
	f := float32(v) / 255
	if p.mean != nil {
		f = (f - p.mean[channel]) / p.std[channel]
	}
	return f
}

func (p *pixels) Len() int { return len(p.pix) / p.shape.Numel() }

func (p *pixels) Sample(i int, x []float32) (int32, error) {
	if err := p.checkSample(i, p.Len(), x); err != nil {
		return 0, err
	}
	src := p.pix[i*len(x) : (i+1)*len(x)]
	p.values(src, x)
	return labelOf(p.labels, i), nil
}

// values writes the values of the bytes of one sample to x.
func (p *pixels) values(src []uint8, x []float32) {
	switch c := p.shape.Last(); {
	case c == 1:
		lut := (*[256]float32)(p.lut)
		for j, v := range src {
			x[j] = lut[v]
		}
	case c <= maxLUT:
		for j, k := 0, 0; j < len(x); j++ {
			x[j] = p.lut[256*k+int(src[j])]
			if k++; k == c {
				k = 0
			}
		}
	default:
		for j, v := range src {
			x[j] = p.value(v, j%c)
		}
	}
}

func labelOf(labels []int32, i int) int32 {
	if labels == nil {
		return 0
	}
	return labels[i]
}

// stats returns mean and deviation of pix/255 for each element of the last
// dimension over the samples in index. They come from integer counts, so they
// do not depend on the order.
func (p *pixels) stats(index []int32) (mean, std []float32) {
	n := p.shape.Numel()
	m := newMoments(p.shape.Last())
	for _, i := range index {
		m.add(p.pix[int(i)*n : (int(i)+1)*n])
	}
	return m.result()
}

// moments sums bytes and their squares for each channel.
type moments struct {
	count   int64
	sum, sq []int64
}

func newMoments(channels int) *moments {
	return &moments{sum: make([]int64, channels), sq: make([]int64, channels)}
}

// add takes the bytes of one sample, channels last.
func (m *moments) add(pix []uint8) {
	c := len(m.sum)
	for j, k := 0, 0; j < len(pix); j++ {
		v := int64(pix[j])
		m.sum[k] += v
		m.sq[k] += v * v
		if k++; k == c {
			k = 0
		}
	}
	m.count += int64(len(pix) / c)
}

// result returns mean and deviation of the bytes divided by 255.
func (m *moments) result() (mean, std []float32) {
	mean, std = make([]float32, len(m.sum)), make([]float32, len(m.sum))
	total := float64(m.count)
	for k, s := range m.sum {
		mu := float64(s) / total
		mean[k] = float32(mu / 255)
		std[k] = deviation((float64(m.sq[k])/total - float64(mu*mu)) / (255 * 255))
	}
	return mean, std
}

// deviation returns the square root of a variance, and 1 where there is none: a
// constant is only shifted.
func deviation(variance float64) float32 {
	if !(variance > 1e-12) {
		return 1
	}
	return float32(math.Sqrt(variance))
}

// table is a data set of float32 values in memory.
type table struct {
	meta
	x         []float32 // [samples, shape...]
	labels    []int32
	mean, std []float32
}

func (t *table) Len() int { return len(t.x) / t.shape.Numel() }

func (t *table) Sample(i int, x []float32) (int32, error) {
	if err := t.checkSample(i, t.Len(), x); err != nil {
		return 0, err
	}
	copy(x, t.x[i*len(x):(i+1)*len(x)])
	if c := len(t.mean); c > 0 {
		for j, k := 0, 0; j < len(x); j++ {
			x[j] = (x[j] - t.mean[k]) / t.std[k]
			if k++; k == c {
				k = 0
			}
		}
	}
	return labelOf(t.labels, i), nil
}

func (t *table) normalize(mean, std []float32) { t.mean, t.std = mean, std }

// stats returns mean and deviation of each element of the last dimension over
// the samples in index, summed in float64 in the order of index.
func (t *table) stats(index []int32) (mean, std []float32) {
	c, n := t.shape.Last(), t.shape.Numel()
	sum := make([]float64, c)
	mean, std = make([]float32, c), make([]float32, c)
	count := float64(len(index)) * float64(n/c)
	each := func(f func(k int, v float64)) {
		for _, i := range index {
			for j, v := range t.x[int(i)*n : (int(i)+1)*n] {
				f(j%c, float64(v))
			}
		}
	}
	each(func(k int, v float64) { sum[k] += v })
	for k := range sum {
		sum[k] /= count
		mean[k] = float32(sum[k])
	}
	sq := make([]float64, c)
	each(func(k int, v float64) {
		d := v - sum[k]
		sq[k] += float64(d * d)
	})
	for k := range sq {
		std[k] = deviation(sq[k] / count)
	}
	return mean, std
}

// normalizer is a data set in memory that can be given a mean and a deviation.
type normalizer interface {
	Dataset
	stats(index []int32) (mean, std []float32)
	normalize(mean, std []float32)
}

// subset is the samples of another data set that index names.
type subset struct {
	Dataset
	index []int32
}

func (s *subset) Len() int { return len(s.index) }

func (s *subset) Sample(i int, x []float32) (int32, error) {
	if i < 0 || i >= len(s.index) {
		return 0, fmt.Errorf("data: sample %d of %d", i, len(s.index))
	}
	return s.Dataset.Sample(int(s.index[i]), x)
}
