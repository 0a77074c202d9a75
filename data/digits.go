package data

import (
	"context"
	"fmt"
	"strconv"

	"github.com/goqat/goqat/tensor"
)

// The data set "digits": handwriting drawn by a program from stroke skeletons,
// on noisy paper, with neighbours, loose lines and covered parts. It needs no
// file and no network and is the same, byte for byte, on every machine. Of its
// validation part a CNN of 16, 32 and 64 channels with strides and a global pool
// gets 94 to 96 % right after 10 to 20 epochs, and 5 to 6 points less with 2-bit
// weights and 4-bit activations; a CNN with max pools gets 99 %.
const (
	digitsTrain = 6000
	digitsVal   = 1500
	digitsSeed  = 1
	digitsMean  = 0.234
	digitsStd   = 0.213
)

func openDigits(ctx context.Context, _ string, opt *Options) (*Splits, error) {
	pix := make([]uint8, (digitsTrain+digitsVal)*digitSide*digitSide)
	labels := make([]int32, digitsTrain+digitsVal)
	const batch = 64
	n := (len(labels) + batch - 1) / batch
	canvases := make([]canvas, workers(n))
	err := parallel(ctx, n, func(w, b int) error {
		for i := b * batch; i < min((b+1)*batch, len(labels)); i++ {
			px := pix[i*digitSide*digitSide : (i+1)*digitSide*digitSide]
			labels[i] = canvases[w].digit(digitsSeed, uint64(i), px)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("data: drawing digits: %w", err)
	}
	m := meta{tensor.Shape{digitSide, digitSide, 1}, 10, digitNames()}
	const cut = digitsTrain * digitSide * digitSide
	s := &Splits{
		Train: newPixels(m, pix[:cut:cut], labels[:digitsTrain]),
		Val:   newPixels(m, pix[cut:], labels[digitsTrain:]),
	}
	s.fixed(opt, digitsMean, digitsStd)
	return s, nil
}

// fixed normalizes both parts, which must be [pixels] of one channel, with known
// constants if that is asked.
func (s *Splits) fixed(opt *Options, mean, std float32) {
	if !opt.Normalize {
		return
	}
	s.Mean, s.Std = []float32{mean}, []float32{std}
	for _, d := range []Dataset{s.Train, s.Val} {
		if n, ok := d.(normalizer); ok {
			n.normalize(s.Mean, s.Std)
		}
	}
}

func digitNames() []string {
	names := make([]string, 10)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}
