package data

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/goqat/goqat/tensor"
)

const (
	maxWAV         = 1 << 28
	minRate        = 8000
	maxRate        = 48000
	maxWAVChannels = 8
	// maxFeatures bounds the spectrograms held in memory, in elements.
	maxFeatures = 1 << 28
)

var soundExts = []string{".wav"}

// sound is the samples of a WAV file as they are stored.
type sound struct {
	rate, channels, bits int
	data                 []byte
}

// frames returns the number of samples of one channel.
func (s *sound) frames() int { return len(s.data) / (s.channels * s.bits / 8) }

// at returns frame i in [-1, 1], the mean of the channels.
func (s *sound) at(i int) float64 {
	sum := 0
	for c := range s.channels {
		k := i*s.channels + c
		if s.bits == 8 {
			sum += (int(s.data[k]) - 128) << 8
		} else {
			sum += int(int16(binary.LittleEndian.Uint16(s.data[2*k:])))
		}
	}
	return float64(sum) / float64(32768*s.channels)
}

// decodeWAV reads a RIFF/WAVE file: PCM of 8 or 16 bits, 8 to 48 kHz. Chunks
// that are neither "fmt " nor "data" are stepped over.
func decodeWAV(b []byte) (*sound, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, errors.New("not a WAV file: it does not start with RIFF and WAVE")
	}
	var s *sound
	for off := 12; off < len(b); {
		if len(b)-off < 8 {
			if off == 12 || s == nil {
				return nil, fmt.Errorf("cut in a chunk header at byte %d", off)
			}
			break // padding after the last chunk
		}
		id, size := string(b[off:off+4]), uint64(binary.LittleEndian.Uint32(b[off+4:]))
		body := b[off+8:]
		if size > uint64(len(body)) {
			return nil, fmt.Errorf("chunk %q at byte %d declares %d bytes, %d are left", id, off, size, len(body))
		}
		body = body[:size]
		switch id {
		case "fmt ":
			if s != nil {
				return nil, fmt.Errorf("two format chunks, the second at byte %d", off)
			}
			var err error
			if s, err = wavFormat(body); err != nil {
				return nil, err
			}
		case "data":
			if s == nil {
				return nil, errors.New("the data chunk comes before the format chunk")
			}
			s.data = body
			if s.frames() == 0 {
				return nil, errors.New("there is no sound in it")
			}
			return s, nil
		}
		off += 8 + int(size) + int(size&1)
	}
	return nil, errors.New("no data chunk")
}

func wavFormat(b []byte) (*sound, error) {
	if len(b) < 16 {
		return nil, fmt.Errorf("format chunk of %d bytes, needs 16", len(b))
	}
	le := binary.LittleEndian
	tag := le.Uint16(b)
	if tag == 0xfffe && len(b) >= 40 { // WAVE_FORMAT_EXTENSIBLE: the subformat's first word
		tag = le.Uint16(b[24:])
	}
	s := &sound{channels: int(le.Uint16(b[2:])), bits: int(le.Uint16(b[14:]))}
	rate := le.Uint32(b[4:])
	switch {
	case tag != 1 || s.bits != 8 && s.bits != 16:
		return nil, fmt.Errorf("format %d with %d bits; convert it to PCM with 16 bits", tag, s.bits)
	case s.channels < 1 || s.channels > maxWAVChannels:
		return nil, fmt.Errorf("%d channels; 1 to %d are read", s.channels, maxWAVChannels)
	case rate < minRate || rate > maxRate:
		return nil, fmt.Errorf("%d samples a second; convert it to between %d and %d", rate, minRate, maxRate)
	case int(le.Uint16(b[12:])) != s.channels*s.bits/8:
		return nil, fmt.Errorf("block of %d bytes for %d channels of %d bits", le.Uint16(b[12:]), s.channels, s.bits)
	}
	s.rate = int(rate)
	return s, nil
}

func readWAV(path string) (*sound, error) {
	b, err := readFile(path, maxWAV)
	if err != nil {
		return nil, err
	}
	s, err := decodeWAV(b)
	if err != nil {
		return nil, badData(path, "%w", err)
	}
	return s, nil
}

// openWAV opens a folder of sounds: one folder a class, or files called
// CLASS_ANYTHING.wav as in the Free Spoken Digit Dataset. A sample is the log-mel
// spectrogram [frames, bands, 1] of the middle of the sound, or of the whole with
// silence around it.
func openWAV(ctx context.Context, dir string, opt *Options) (*Splits, error) {
	c, err := scan(dir, soundExts, true, opt)
	if err != nil {
		return nil, err
	}
	c.train = limitFiles(c.train, opt.MaxSamples, derive(opt.Seed, 1))
	c.val = limitFiles(c.val, opt.MaxSamples, derive(opt.Seed, 2))
	opt.progress("reading %d sounds of %s", len(c.train)+len(c.val), dir)
	first, err := readWAV(c.train[0].path)
	if err != nil {
		return nil, err
	}
	f := newFilterbank(opt.Mel, first.rate)
	m := meta{tensor.Shape{f.frames, f.bands, 1}, len(c.names), c.names}
	if int64(len(c.train)+len(c.val))*int64(m.shape.Numel()) > maxFeatures {
		return nil, badData(dir, "the spectrograms of %d sounds do not fit in 1 GiB; use fewer samples", len(c.train)+len(c.val))
	}
	train, err := melTable(ctx, m, c.train, f)
	if err != nil {
		return nil, openError(dir, err)
	}
	val, err := melTable(ctx, m, c.val, f)
	if err != nil {
		return nil, openError(dir, err)
	}
	return splitTwo(train, val, opt), nil
}

// melTable computes the spectrograms of all files.
func melTable(ctx context.Context, m meta, files []labelled, f *filterbank) (*table, error) {
	n := m.shape.Numel()
	t := &table{meta: m, x: make([]float32, n*len(files)), labels: make([]int32, len(files))}
	scratch := make([]spectrum, workers(len(files)))
	err := parallel(ctx, len(files), func(w, i int) error {
		s, err := readWAV(files[i].path)
		if err != nil {
			return err
		}
		if s.rate != f.rate {
			return badData(files[i].path, "%d samples a second, but the first file has %d; convert all to one rate", s.rate, f.rate)
		}
		f.features(t.x[i*n:(i+1)*n], s, &scratch[w])
		t.labels[i] = files[i].class
		return nil
	})
	return t, err
}
