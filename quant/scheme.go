package quant

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goqat/goqat/tensor"
)

// Errors that a caller may test for with errors.Is.
var (
	// ErrScheme is wrapped by every fault [Scheme.Validate] and
	// [Scheme.Layout] report.
	ErrScheme = errors.New("quant: bad scheme")
	// ErrNaN says that a range or value is not a number.
	ErrNaN = errors.New("quant: not a number")
	// ErrRange says that a range is empty or infinite, or that a value does
	// not fit its integer.
	ErrRange = errors.New("quant: out of range")
	// ErrRule says that no rule has this name.
	ErrRule = errors.New("quant: unknown rule")
)

// MaxBits is the widest code.
const MaxBits = 8

// Code is the storage type of quantized codes.
type Code interface{ int8 | uint8 }

// Kind says which elements share a scale.
type Kind uint8

// The kinds of granularity.
const (
	PerTensor  Kind = iota // one scale
	PerChannel             // one scale an index of an axis
	PerGroup               // one scale a run of Group elements along the last axis
)

var kindNames = [...]string{"per_tensor", "per_channel", "per_group"}

// String returns the kind's name, such as "per_channel".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText returns the kind's name; it fails with [ErrScheme] on a value
// that is no kind.
func (k Kind) MarshalText() ([]byte, error) {
	if int(k) >= len(kindNames) {
		return nil, fmt.Errorf("%w: kind %d", ErrScheme, uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText reads a kind's name; it fails with [ErrScheme] on another.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, n := range kindNames {
		if n == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("%w: kind %q", ErrScheme, b)
}

// Granularity says how many scales a tensor has. Axis is used by PerChannel;
// a negative axis counts from the end, so -1 is the channel of an activation.
// Group is the number of elements that share a scale under PerGroup; groups
// lie along the last axis and must divide it.
type Granularity struct {
	Kind  Kind `json:"kind"`
	Axis  int  `json:"axis,omitempty"`
	Group int  `json:"group,omitempty"`
}

// String returns the form "per_channel(0)" or "per_group(32)".
func (g Granularity) String() string {
	switch g.Kind {
	case PerChannel:
		return fmt.Sprintf("per_channel(%d)", g.Axis)
	case PerGroup:
		return fmt.Sprintf("per_group(%d)", g.Group)
	}
	return g.Kind.String()
}

// Scheme says which integers stand for the values of a tensor. It is
// comparable; the zero value means that the tensor stays float32.
//
// A signed code of b bits is a two's complement number, [-2^(b-1), 2^(b-1)-1];
// one bit signed is therefore [-1, 0]. Narrow leaves out the lowest, which
// makes the range symmetric around 0. Symmetric fixes the zero point at the
// middle of the range (rounded half to even: 0 when signed, 128 for uint8).
// PowerOf2 rounds scales up to a power of two.
type Scheme struct {
	Bits      int         `json:"bits"`
	Signed    bool        `json:"signed,omitempty"`
	Symmetric bool        `json:"symmetric,omitempty"`
	Narrow    bool        `json:"narrow,omitempty"`
	Grain     Granularity `json:"grain,omitzero"`
	PowerOf2  bool        `json:"power_of_2,omitempty"`
}

// Weights returns the usual scheme of weights: signed, symmetric, narrow
// (from two bits on), one scale an output channel (axis 0).
func Weights(bits int) Scheme {
	return Scheme{Bits: bits, Signed: true, Symmetric: true, Narrow: bits > 1, Grain: Granularity{Kind: PerChannel}}
}

// Activations returns the usual scheme of activations: affine, one scale.
func Activations(bits int, signed bool) Scheme { return Scheme{Bits: bits, Signed: signed} }

// Int8PerChannel returns signed symmetric narrow 8 bits with one scale an
// index of the axis.
func Int8PerChannel(axis int) Scheme {
	s := Weights(8)
	s.Grain.Axis = axis
	return s
}

// Int8 returns affine signed 8 bits with one scale.
func Int8() Scheme { return Activations(8, true) }

// UInt8 returns affine unsigned 8 bits with one scale.
func UInt8() Scheme { return Activations(8, false) }

// IsZero reports whether the tensor stays float32.
func (s Scheme) IsZero() bool { return s == Scheme{} }

// Range returns the lowest and the highest code, both 0 when Bits is not in
// [1, MaxBits].
func (s Scheme) Range() (lo, hi int32) {
	if s.Bits < 1 || s.Bits > MaxBits {
		return 0, 0
	}
	if !s.Signed {
		return 0, 1<<s.Bits - 1
	}
	lo, hi = -1<<(s.Bits-1), 1<<(s.Bits-1)-1
	if s.Narrow {
		lo++
	}
	return lo, hi
}

// Middle returns the zero point of a symmetric scheme: the middle of the
// range, rounded half to even, which is 0 for signed codes.
func (s Scheme) Middle() int32 {
	lo, hi := s.Range()
	if s.Signed {
		return 0
	}
	m := (lo + hi) / 2
	if (lo+hi)%2 != 0 && m%2 != 0 {
		m++
	}
	return m
}

// DType returns the storage type of the codes: I8, U8, or F32 for the zero
// scheme.
func (s Scheme) DType() tensor.DType {
	switch {
	case s.IsZero():
		return tensor.F32
	case s.Signed:
		return tensor.I8
	}
	return tensor.U8
}

// Validate returns every fault of the scheme joined, each wrapping
// [ErrScheme]; nil when there is none. The zero scheme is valid.
func (s Scheme) Validate() error {
	if s.IsZero() {
		return nil
	}
	var errs []error
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrScheme}, args...)...))
	}
	if s.Bits < 1 || s.Bits > MaxBits {
		fault("%d bits, want 1 to %d", s.Bits, MaxBits)
	}
	if s.Narrow && !s.Signed {
		fault("narrow range of unsigned codes")
	}
	if s.Narrow && s.Bits == 1 {
		fault("narrow range of 1 bit has a single code")
	}
	g := s.Grain
	switch g.Kind {
	case PerTensor, PerChannel:
		if g.Group != 0 {
			fault("group %d with %v", g.Group, g.Kind)
		}
		if g.Kind == PerTensor && g.Axis != 0 {
			fault("axis %d with %v", g.Axis, g.Kind)
		}
		if g.Axis < -tensor.MaxRank || g.Axis >= tensor.MaxRank {
			fault("axis %d", g.Axis)
		}
	case PerGroup:
		if g.Group < 1 {
			fault("group of %d elements", g.Group)
		}
		if g.Axis != 0 && g.Axis != -1 {
			fault("axis %d: groups lie along the last axis", g.Axis)
		}
	default:
		fault("kind %d", uint8(g.Kind))
	}
	return errors.Join(errs...)
}

// String returns a form such as "int8 symmetric narrow per_channel(0)" or
// "uint4 affine per_tensor", and "float32" for the zero scheme.
func (s Scheme) String() string {
	if s.IsZero() {
		return tensor.F32.String()
	}
	var b strings.Builder
	if !s.Signed {
		b.WriteByte('u')
	}
	fmt.Fprintf(&b, "int%d", s.Bits)
	if s.Symmetric {
		b.WriteString(" symmetric")
	} else {
		b.WriteString(" affine")
	}
	if s.Narrow {
		b.WriteString(" narrow")
	}
	if s.PowerOf2 {
		b.WriteString(" power_of_2")
	}
	b.WriteByte(' ')
	b.WriteString(s.Grain.String())
	return b.String()
}

// Params returns the number of scales of a tensor of this shape: 1, the
// channels, or the groups. It is 0 when the scheme does not fit the shape;
// [Scheme.Layout] says why.
func (s Scheme) Params(shape tensor.Shape) int {
	l, err := s.Layout(shape)
	if err != nil {
		return 0
	}
	return l.Channels
}

// Layout says which parameter an element uses: element (o, c, i) lies at
// (o*Channels+c)*Inner+i and uses parameter c. One scale for n elements is
// {1, 1, n}; groups are channels of Group elements. Loops that take a layout
// and a range of elements may be given a part of a tensor: Skip is the number
// of elements before it.
type Layout struct {
	Outer, Channels, Inner int
	Skip                   int
}

// From returns the layout of the part of a tensor that begins at element i.
func (l Layout) From(i int) Layout {
	l.Skip += i
	return l
}

// Numel returns the number of elements.
func (l Layout) Numel() int { return l.Outer * l.Channels * l.Inner }

// Layout returns the layout of the scheme's parameters over a tensor. It
// fails with [ErrScheme] when the axis is not one of the shape's or the group
// does not divide the last axis.
func (s Scheme) Layout(shape tensor.Shape) (Layout, error) {
	if err := shape.Check(); err != nil {
		return Layout{}, fmt.Errorf("quant: %w", err)
	}
	switch g := s.Grain; g.Kind {
	case PerTensor:
		return Layout{Outer: 1, Channels: 1, Inner: shape.Numel()}, nil
	case PerChannel:
		axis := g.Axis
		if axis < 0 {
			axis += len(shape)
		}
		if axis < 0 || axis >= len(shape) {
			return Layout{}, fmt.Errorf("%w: no axis %d in %v", ErrScheme, g.Axis, shape)
		}
		return Layout{Outer: shape[:axis].Numel(), Channels: shape[axis], Inner: shape[axis+1:].Numel()}, nil
	case PerGroup:
		if g.Group < 1 || shape.Last()%g.Group != 0 {
			return Layout{}, fmt.Errorf("%w: groups of %d in %v", ErrScheme, g.Group, shape)
		}
		return Layout{Outer: 1, Channels: shape.Numel() / g.Group, Inner: g.Group}, nil
	}
	return Layout{}, fmt.Errorf("%w: kind %d", ErrScheme, uint8(s.Grain.Kind))
}
