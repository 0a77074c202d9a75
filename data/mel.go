package data

import (
	"fmt"
	"math/bits"
	"time"
)

// Mel describes a log-mel spectrogram. The zero value is 40 bands in frames of
// 30 ms every 20 ms over one second: 49 frames, as in the keyword spotting of
// MLPerf Tiny.
type Mel struct {
	Bands            int
	Frame, Hop, Clip time.Duration
}

// lowestHz is where the first band begins; below is hum.
const lowestHz = 20

// quiet is added to the energies, so that silence has a finite logarithm.
const quiet = 1e-6

func (m *Mel) check() error {
	if m.Bands == 0 {
		m.Bands = 40
	}
	if m.Frame == 0 {
		m.Frame = 30 * time.Millisecond
	}
	if m.Hop == 0 {
		m.Hop = 20 * time.Millisecond
	}
	if m.Clip == 0 {
		m.Clip = time.Second
	}
	switch {
	case m.Bands < 1 || m.Bands > 256:
		return fmt.Errorf("data: %w: %d mel bands are not between 1 and 256", ErrSpec, m.Bands)
	case m.Frame < time.Millisecond || m.Frame > time.Second:
		return fmt.Errorf("data: %w: frame of %v is not between 1 ms and 1 s", ErrSpec, m.Frame)
	case m.Hop < time.Millisecond || m.Hop > time.Second:
		return fmt.Errorf("data: %w: hop of %v is not between 1 ms and 1 s", ErrSpec, m.Hop)
	case m.Clip < m.Frame || m.Clip > time.Minute:
		return fmt.Errorf("data: %w: clip of %v is not between one frame and 1 minute", ErrSpec, m.Clip)
	}
	return nil
}

// filterbank turns sounds of one rate into spectrograms. It is read-only after
// it is made. All arithmetic gives the same bits on every machine.
type filterbank struct {
	rate, bands, frames int
	clip, frame, hop    int // in samples
	size                int // of the Fourier transform, a power of two
	window              []float64
	cos, sin            []float64 // of one turn in size steps
	first               []int     // first bin of each band
	weight              [][]float64
}

// spectrum is the scratch memory of one goroutine.
type spectrum struct{ clip, re, im []float64 }

func samplesIn(d time.Duration, rate int) int {
	return int(int64(d) * int64(rate) / int64(time.Second))
}

// newFilterbank makes Hann windows and triangular bands that are evenly spaced
// on the mel scale, 1127 ln(1 + f/700), from 20 Hz to half the rate.
func newFilterbank(m Mel, rate int) *filterbank {
	f := &filterbank{
		rate: rate, bands: m.Bands,
		clip: samplesIn(m.Clip, rate), frame: samplesIn(m.Frame, rate), hop: samplesIn(m.Hop, rate),
	}
	f.frames = 1 + (f.clip-f.frame)/f.hop
	f.size = max(512, 1<<bits.Len(uint(f.frame-1)))
	f.window = make([]float64, f.frame)
	for i := range f.window {
		f.window[i] = 0.5 - float64(0.5*cosTurn(float64(i)/float64(f.frame)))
	}
	f.cos, f.sin = make([]float64, f.size), make([]float64, f.size)
	for i := range f.cos {
		t := float64(i) / float64(f.size)
		f.cos[i], f.sin[i] = cosTurn(t), sinTurn(t)
	}
	lo, hi := melOf(lowestHz), melOf(float64(rate)/2)
	edge := make([]float64, m.Bands+2)
	for i := range edge {
		at := lo + float64((hi-lo)*float64(i)/float64(m.Bands+1))
		edge[i] = float64(700 * (expOf(at/1127) - 1))
	}
	f.first, f.weight = make([]int, m.Bands), make([][]float64, m.Bands)
	for b := range m.Bands {
		for k := range f.size/2 + 1 {
			hz := float64(k) * float64(rate) / float64(f.size)
			up := (hz - edge[b]) / (edge[b+1] - edge[b])
			down := (edge[b+2] - hz) / (edge[b+2] - edge[b+1])
			if w := min(up, down); w > 0 {
				if len(f.weight[b]) == 0 {
					f.first[b] = k
				}
				f.weight[b] = append(f.weight[b], w)
			}
		}
	}
	return f
}

func melOf(hz float64) float64 { return float64(1127 * logOf(1+hz/700)) }

// features writes ln(energy + 1e-6) of each frame and band to x, which is
// [frames, bands]. The energy of a band is the weighted sum of |X|^2 / frame.
func (f *filterbank) features(x []float32, s *sound, sc *spectrum) {
	if sc.re == nil {
		sc.clip, sc.re, sc.im = make([]float64, f.clip), make([]float64, f.size), make([]float64, f.size)
	}
	f.cut(sc.clip, s)
	for t := range f.frames {
		at := t * f.hop
		for i := range sc.re {
			sc.re[i], sc.im[i] = 0, 0
		}
		for i, w := range f.window {
			sc.re[i] = float64(sc.clip[at+i] * w)
		}
		f.fourier(sc.re, sc.im)
		for b, weight := range f.weight {
			e := 0.0
			for j, w := range weight {
				re, im := sc.re[f.first[b]+j], sc.im[f.first[b]+j]
				e += float64(w * (float64(re*re) + float64(im*im)))
			}
			x[t*f.bands+b] = float32(logOf(e/float64(f.frame) + quiet))
		}
	}
}

// cut copies the middle of the sound to clip, with silence around a short one.
func (f *filterbank) cut(clip []float64, s *sound) {
	clear(clip)
	n := s.frames()
	from, to := max((n-len(clip))/2, 0), max((len(clip)-n)/2, 0)
	for i := range min(n, len(clip)) {
		clip[to+i] = s.at(from + i)
	}
}

// fourier is the discrete Fourier transform in place, by decimation in time
// (Cooley and Tukey, radix 2).
func (f *filterbank) fourier(re, im []float64) {
	n := f.size
	shift := 64 - bits.TrailingZeros(uint(n))
	for i := range n {
		if j := int(bits.Reverse64(uint64(i)) >> shift); j > i {
			re[i], re[j] = re[j], re[i]
			im[i], im[j] = im[j], im[i]
		}
	}
	for half := 1; half < n; half *= 2 {
		step := n / (2 * half)
		for base := 0; base < n; base += 2 * half {
			for k := range half {
				c, s := f.cos[k*step], f.sin[k*step]
				a, b := base+k, base+k+half
				tr := float64(c*re[b]) + float64(s*im[b])
				ti := float64(c*im[b]) - float64(s*re[b])
				re[b], im[b] = re[a]-tr, im[a]-ti
				re[a], im[a] = re[a]+tr, im[a]+ti
			}
		}
	}
}
