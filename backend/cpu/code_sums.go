package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/depthwise"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// maxSummed bounds the codes of a sum of codeSums, which keeps a weight of
// each.
const maxSummed = 1 << 10

// codeSums sums the codes under a window, channel by channel: a depthwise
// convolution whose weights are all 1. Padding counts as code 0.
type codeSums[A quant.Code] struct {
	b                   *Backend
	plan                *depthwise.Plan[A]
	x                   []A
	packed              []byte
	h, oh, size, line   int // codes of a line, and of a padded one
	strideY, padY, padX int // the last in codes
	taps                int
}

// newCodeSums prepares the sums of x [n, h, w, c] under windows, oh x ow of
// them an image. finish gets blocks of sums, each too large by excess.
func newCodeSums[A quant.Code](b *Backend, x []A, n, h, w, c, oh, ow int, kernel [2]int, win backend.Window, finish func(gemm.IntBlock)) *codeSums[A] {
	win = win.Normal()
	width := (ow-1)*win.Stride[1] + (kernel[1]-1)*win.Dilation[1] + 1
	s := &codeSums[A]{b: b, x: x, h: h, oh: oh, size: w * c, line: width * c, strideY: win.Stride[0], padY: win.Pad[0], padX: win.Pad[1] * c}
	l := gemm.IntLines{Images: n, Lines: oh, Width: ow, Stride: win.Stride[1] * c, Line: win.Stride[0] * s.line}
	for i := range kernel[0] {
		for j := range kernel[1] {
			l.Taps = append(l.Taps, i*win.Dilation[0]*s.line+j*win.Dilation[1]*c)
		}
	}
	s.taps = len(l.Taps)
	s.plan = depthwise.New(parallel, l, c, s.lay, finish)
	ones := make([]int8, s.taps*c)
	fill(ones, 1)
	s.packed = tensor.New(tensor.Of(tensor.U8, s.plan.PackedSize())).Bytes()
	s.plan.Pack(s.packed, ones)
	return s
}

// excess is what the sums are too large by.
func (s *codeSums[A]) excess() int32 { return int32(s.taps) * s.plan.Shift() }

func (s *codeSums[A]) run() {
	work := s.b.scratch.take(s.plan.Workspace())
	defer s.b.scratch.give(work)
	s.plan.Run(s.packed, work.t.Bytes())
}

func (s *codeSums[A]) lay(dst []A, lo, hi int) {
	n, y := lo/s.oh, lo%s.oh*s.strideY-s.padY
	inside := min(s.size, s.line-s.padX)
	for ; len(dst) > 0; y++ {
		line := dst[:s.line]
		dst = dst[s.line:]
		if y < 0 || y >= s.h {
			clear(line)
			continue
		}
		clear(line[:s.padX])
		copy(line[s.padX:], s.x[(n*s.h+y)*s.size:][:inside])
		clear(line[s.padX+inside:])
	}
}
