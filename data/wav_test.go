package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/cmplx"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

// chunk is one RIFF chunk with its padding.
func chunk(id string, body []byte) []byte {
	b := append([]byte(id), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(body)))
	b = append(b, body...)
	if len(body)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func wavFmt(tag, channels, rate, bits int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(tag))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*channels*bits/8))
	b = le.AppendUint16(b, uint16(channels*bits/8))
	return le.AppendUint16(b, uint16(bits))
}

func riff(chunks ...[]byte) []byte {
	var body []byte
	for _, c := range chunks {
		body = append(body, c...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body))), append([]byte("WAVE"), body...)...)
}

// tone is a WAV file of a sine wave.
func tone(rate int, hz, seconds float64) []byte {
	var data []byte
	for i := range int(seconds * float64(rate)) {
		v := int16(16000 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
		data = binary.LittleEndian.AppendUint16(data, uint16(v))
	}
	return riff(chunk("fmt ", wavFmt(1, 1, rate, 16)), chunk("data", data))
}

func TestDecodeWAV(t *testing.T) {
	f16 := chunk("fmt ", wavFmt(1, 2, 16000, 16))
	s, err := decodeWAV(riff(f16, chunk("LIST", []byte("odd")), chunk("data", []byte{0, 0x40, 0, 0x80, 0xff, 0x7f, 0xff, 0x7f})))
	require.NoError(t, err)
	assert.Equal(t, 16000, s.rate)
	require.Equal(t, 2, s.frames())
	assert.Equal(t, -0.25, s.at(0), "mean of 0.5 and -1")
	assert.Equal(t, 32767.0/32768, s.at(1))

	ext := append(wavFmt(0xfffe, 1, 8000, 8), make([]byte, 24)...)
	ext[24] = 1
	s, err = decodeWAV(riff(chunk("fmt ", ext), chunk("data", []byte{0, 128, 192})))
	require.NoError(t, err)
	require.Equal(t, 3, s.frames())
	assert.Equal(t, []float64{-1, 0, 0.5}, []float64{s.at(0), s.at(1), s.at(2)})
}

func TestWAVRefused(t *testing.T) {
	f := chunk("fmt ", wavFmt(1, 1, 8000, 16))
	huge := chunk("data", []byte{1, 2})
	binary.LittleEndian.PutUint32(huge[4:], 0xffffffff)
	block := wavFmt(1, 1, 8000, 16)
	block[12] = 3
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"empty":          {nil, "RIFF"},
		"no chunk":       {riff(), "no data chunk"},
		"cut header":     {riff([]byte("fmt ")), "cut in a chunk header"},
		"no format":      {riff(chunk("data", []byte{1, 2})), "before the format"},
		"no data":        {riff(f), "no data chunk"},
		"two formats":    {riff(f, f), "two format"},
		"short format":   {riff(chunk("fmt ", make([]byte, 15))), "needs 16"},
		"huge data":      {riff(f, huge), "declares 4294967295 bytes, 2 are left"},
		"silent":         {riff(f, chunk("data", []byte{1})), "no sound"},
		"float":          {riff(chunk("fmt ", wavFmt(3, 1, 8000, 32))), "convert it to PCM"},
		"24 bits":        {riff(chunk("fmt ", wavFmt(1, 1, 8000, 24))), "24 bits"},
		"no channel":     {riff(chunk("fmt ", wavFmt(1, 0, 8000, 16))), "0 channels"},
		"rate":           {riff(chunk("fmt ", wavFmt(1, 1, 96000, 16))), "96000 samples"},
		"block":          {riff(chunk("fmt ", block)), "block of 3"},
		"unknown format": {riff(chunk("fmt ", wavFmt(0xfffe, 1, 8000, 16))), "format 65534"},
	} {
		_, err := decodeWAV(c.file)
		require.Error(t, err, name)
		assert.ErrorContains(t, err, c.says, name)
	}
}

// TestFourier compares with the definition.
func TestFourier(t *testing.T) {
	m := Mel{}
	require.NoError(t, m.check())
	f := newFilterbank(m, 16000)
	require.Equal(t, 512, f.size)
	re, im := make([]float64, f.size), make([]float64, f.size)
	r := splitmix(1)
	for i := range re {
		re[i], im[i] = float64(r.between(-1000, 1000))/1000, float64(r.between(-1000, 1000))/1000
	}
	want := make([]complex128, f.size)
	for k := range want {
		for i := range re {
			want[k] += complex(re[i], im[i]) * cmplx.Rect(1, -2*math.Pi*float64(k*i%f.size)/float64(f.size))
		}
	}
	f.fourier(re, im)
	for k, w := range want {
		require.InDelta(t, 0, cmplx.Abs(w-complex(re[k], im[k])), 1e-10, "bin %d", k)
	}
}

// TestMelFindsTone: the strongest band of a tone is the one whose centre is
// nearest on the mel scale, at every rate.
func TestMelFindsTone(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 44100, 48000} {
		m := Mel{}
		require.NoError(t, m.check())
		f := newFilterbank(m, rate)
		var sc spectrum
		x := make([]float32, f.frames*f.bands)
		for _, band := range []int{8, 15, 23, 31} {
			lo, hi := melOf(lowestHz), melOf(float64(rate)/2)
			hz := 700 * (math.Exp((lo+(hi-lo)*float64(band+1)/41)/1127) - 1)
			s, err := decodeWAV(tone(rate, hz, 1))
			require.NoError(t, err)
			f.features(x, s, &sc)
			row := x[10*f.bands : 11*f.bands]
			best := 0
			for b, v := range row {
				if v > row[best] {
					best = b
				}
			}
			assert.Equal(t, band, best, "%.0f Hz at %d", hz, rate)
		}
	}
}

// TestMelGolden: the spectrogram of a whole-number waveform has the same bits on
// every machine and in every build.
func TestMelGolden(t *testing.T) {
	m := Mel{}
	require.NoError(t, m.check())
	f := newFilterbank(m, 8000)
	s := &sound{rate: 8000, channels: 1, bits: 16}
	for i := range 8000 {
		s.data = binary.LittleEndian.AppendUint16(s.data, uint16(i*i%9973*6-29000))
	}
	x := make([]float32, f.frames*f.bands)
	f.features(x, s, &spectrum{})
	h := sha256.New()
	require.NoError(t, binary.Write(h, binary.LittleEndian, x))
	assert.Equal(t, "d904a4aeb20a60a55b87b92cf5802edc6b7eb5c0d4fb9721027439a6d8491896", hex.EncodeToString(h.Sum(nil)))
}

func TestMelOfSilenceAndCut(t *testing.T) {
	m := Mel{Clip: 100 * time.Millisecond}
	require.NoError(t, m.check())
	f := newFilterbank(m, 8000)
	x := make([]float32, f.frames*f.bands)
	s := &sound{8000, 1, 16, make([]byte, 20)}
	f.features(x, s, &spectrum{})
	for _, v := range x {
		require.InDelta(t, math.Log(quiet), v, 1e-6)
	}
	clip := make([]float64, f.clip)
	s.data[0], s.data[19] = 1, 1
	f.cut(clip, s)
	assert.Equal(t, 1.0/32768, clip[(f.clip-10)/2], "a short sound is in the middle")
	assert.Equal(t, 256.0/32768, clip[(f.clip-10)/2+9])
	long := &sound{8000, 1, 8, make([]byte, 1000)}
	for i := range long.data {
		long.data[i] = uint8(i)
	}
	f.cut(clip, long)
	assert.Equal(t, long.at(100), clip[0], "of a long one the middle is taken")
	assert.Equal(t, long.at(899), clip[799])
}

func TestOpenWAV(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, []string{"low", "high"}[i%2]+"_"+strconv.Itoa(i)+".wav"),
			tone(8000, []float64{300, 2000}[i%2], 0.3), 0o600))
	}
	s, err := Open(t.Context(), "wav:"+dir, Options{Normalize: true, ValFraction: 0.34})
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{49, 40, 1}, s.Train.Shape())
	assert.Equal(t, []string{"high", "low"}, s.Train.ClassNames())
	assert.Equal(t, 4, s.Train.Len())
	x, _ := all(t, s.Train)
	var sum, sq float64
	for _, v := range x {
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	assert.InDelta(t, 0, sum/float64(len(x)), 1e-4)
	assert.InDelta(t, 1, sq/float64(len(x)), 1e-4)

	odd := filepath.Join(dir, "odd_rate.wav")
	require.NoError(t, os.WriteFile(odd, tone(16000, 300, 0.1), 0o600))
	_, err = Open(t.Context(), "wav:"+dir, Options{})
	checkOneLine(t, err, ErrData, "samples a second")
	require.NoError(t, os.WriteFile(odd, []byte("RIFF"), 0o600))
	_, err = Open(t.Context(), "wav:"+dir, Options{})
	checkOneLine(t, err, ErrData, odd)
	require.NoError(t, os.Rename(odd, filepath.Join(dir, "noclass.wav")))
	_, err = Open(t.Context(), "wav:"+dir, Options{})
	checkOneLine(t, err, ErrData, "noclass.wav", "one folder a class")
	_, err = Open(t.Context(), "wav:"+t.TempDir(), Options{})
	checkOneLine(t, err, ErrData, "no sound file")
}

// TestRealSound reads a recording of another program.
func TestRealSound(t *testing.T) {
	dir := shared(t, "data", "tflite-micro")
	s, err := readWAV(filepath.Join(dir, "yes_1000ms.wav"))
	require.NoError(t, err)
	assert.Equal(t, 16000, s.rate)
	assert.Equal(t, 16000, s.frames())
}

func FuzzWAV(f *testing.F) {
	f.Add(tone(8000, 440, 0.01))
	f.Add(riff(chunk("fmt ", wavFmt(1, 2, 48000, 8)), chunk("LIST", []byte("odd")), chunk("data", []byte{1, 2, 3, 4})))
	m := Mel{Clip: 40 * time.Millisecond, Bands: 4}
	require.NoError(f, m.check())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeWAV(b)
		if err != nil {
			return
		}
		for i := range min(s.frames(), 100) {
			v := s.at(i)
			require.True(t, v >= -1 && v < 1)
		}
		if s.rate%8000 != 0 {
			return // few rates, so that the banks are few
		}
		bank := newFilterbank(m, s.rate)
		x := make([]float32, bank.frames*bank.bands)
		bank.features(x, s, &spectrum{})
		for _, v := range x {
			require.Zero(t, v-v)
		}
	})
}
