package cpu

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// elements returns the elements of t as type T, nil when t is absent. The
// type of t must be T's.
func elements[T tensor.Element](t *tensor.Tensor) []T {
	if t == nil {
		return nil
	}
	return tensor.Cast[T](t.Bytes(), t.Numel())
}

// operand is a float tensor, or codes that stand for scale * (code - zero)
// and are dequantized piece by piece where they are used.
type operand[T float] struct {
	float []T // nil for codes
	codes []byte
	// value maps the byte of a code to code - zero, for one scale a tensor
	// times the scale.
	value  [256]T
	signed bool
	first  int32   // the zero point of this run
	factor float32 // the scale, 1 when there is one a channel
	scale  []float32
	zero   []int32 // nil for 0
}

// newOperand takes an operation's input i with its scale and zero point, the
// next two.
func newOperand[T float](in []*tensor.Tensor, i int) *operand[T] {
	x := in[i]
	if x.DType().Float() {
		return &operand[T]{float: elements[T](x)}
	}
	o := &operand[T]{codes: x.Bytes(), signed: x.DType() == tensor.I8, scale: in[i+1].F32()}
	if i+2 < len(in) && in[i+2] != nil {
		o.zero = in[i+2].I32()
	}
	return o
}

// prepare reads scale and zero point, which may change from run to run.
func (o *operand[T]) prepare() {
	if o.float != nil {
		return
	}
	var zero int32
	if o.zero != nil {
		zero = o.zero[0]
	}
	o.first, o.factor = zero, 1
	if len(o.scale) == 1 {
		o.factor = o.scale[0]
	}
	for b := range o.value {
		c := int32(b)
		if o.signed {
			c = int32(int8(b))
		}
		o.value[b] = T(c - zero)
		if len(o.scale) == 1 {
			o.value[b] *= T(o.scale[0])
		}
	}
}

// expand writes the values of elements [lo, lo+len(dst)) of codes with one
// scale to dst.
func (o *operand[T]) expand(dst []T, lo int) {
	src := o.codes[lo : lo+len(dst)]
	if f, ok := any(dst).([]float32); ok {
		gemm.ExpandCodes(f, src, o.signed, o.first, o.factor)
		return
	}
	for i, c := range src {
		dst[i] = o.value[c]
	}
}

// expandRows writes the values of rows [lo,hi) of k codes to dst; a row is a
// channel when there is a scale a channel.
func (o *operand[T]) expandRows(dst []T, lo, hi, k int) {
	o.expand(dst[lo*k:hi*k], lo*k)
	if len(o.scale) == 1 {
		return
	}
	for r := lo; r < hi; r++ {
		s, row := T(o.scale[r]), dst[r*k:(r+1)*k]
		for i := range row {
			row[i] *= s
		}
	}
}

// slots divides scratch memory between the tiles that run at the same time:
// a tile takes a slot, which waits while all are in use, and gives it back.
type slots chan int

func newSlots(n int) slots {
	s := make(slots, n)
	for i := range n {
		s <- i
	}
	return s
}

// give returns slot i for others to take.
func (s slots) give(i int) { s <- i }

// serial is parallel for code that already runs on a worker.
func serial(n, grain int, body func(lo, hi int)) {
	for lo := 0; lo < n; lo += grain {
		body(lo, min(lo+grain, n))
	}
}
