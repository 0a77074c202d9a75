package quant

// addLeftShift is the headroom TFLite gives the inputs of an int8 addition.
const addLeftShift = 20

// AddParams is an addition or subtraction of two tensors of codes, made by
// [Rule.NewAdd] or [Rule.NewSub].
//
// Under [RequantFloat] it is what dequantize, add and quantize give, each
// step a float32:
//
//	code = Quantize(sa*(a-za) + sb*(b-zb), sy, zy)
//
// Otherwise it is the int8 addition of the TFLite reference. The inputs,
// shifted left by 20, are scaled to twice the larger input scale, added, and
// scaled to the output, every multiplication rounded as the rule says:
//
//	s2 = 2*max(sa, sb);  A = sa/s2;  B = sb/s2;  Y = s2/(2^20*sy)
//	code = clamp(mul(mul((a-za)<<20, A) + mul((b-zb)<<20, B), Y) + zy)
type AddParams struct {
	Rule     Rule
	Subtract bool
	SA, SB   float32
	SY       float32
	ZA, ZB   int32
	ZY       int32
	Lo, Hi   int32
	A, B, Y  Multiplier // fixed point, unused under RequantFloat
}

// NewAdd returns the parameters of y = a + b with the scales and zero points
// of a, b and y and the range of y.
func (r Rule) NewAdd(sa float32, za int32, sb float32, zb int32, sy float32, zy int32, lo, hi int32) AddParams {
	p := AddParams{Rule: r, SA: sa, SB: sb, SY: sy, ZA: za, ZB: zb, ZY: zy, Lo: lo, Hi: hi}
	if r.Requant != RequantFloat {
		s2 := 2 * float64(max(sa, sb))
		p.A = fixedMultiplier(float64(sa) / s2)
		p.B = fixedMultiplier(float64(sb) / s2)
		p.Y = fixedMultiplier(s2 / ((1 << addLeftShift) * float64(sy)))
	}
	return p
}

// NewSub returns the parameters of y = a - b; see [Rule.NewAdd].
func (r Rule) NewSub(sa float32, za int32, sb float32, zb int32, sy float32, zy int32, lo, hi int32) AddParams {
	p := r.NewAdd(sa, za, sb, zb, sy, zy, lo, hi)
	p.Subtract = true
	return p
}

// Code returns the code of a + b or a - b, and whether the integer before
// clamping lies in [Lo, Hi].
func (p *AddParams) Code(a, b int32) (code int32, inRange bool) {
	if p.Rule.Requant == RequantFloat {
		fa, fb := Dequantize(a, p.ZA, p.SA), Dequantize(b, p.ZB, p.SB)
		if p.Subtract {
			fb = -fb
		}
		return p.Rule.Quantize(float32(fa)+float32(fb), p.SY, p.ZY, p.Lo, p.Hi)
	}
	v := p.fixed(a, b)
	return min(max(v, p.Lo), p.Hi), v >= p.Lo && v <= p.Hi
}

// input returns one input's term, shifted left and scaled. For codes of 8 bits
// it is at most 2^27, so that a sum does not overflow.
func (p *AddParams) input(code, zero int32, m Multiplier) int32 {
	x := shiftLeft(code-zero, addLeftShift)
	if p.Rule.Requant == RequantQ31Double {
		return m.double(x)
	}
	return int32(m.single(x))
}

// fixed returns the integer before clamping.
func (p *AddParams) fixed(a, b int32) int32 {
	sum := p.input(a, p.ZA, p.A)
	if p.Subtract {
		sum -= p.input(b, p.ZB, p.B)
	} else {
		sum += p.input(b, p.ZB, p.B)
	}
	if p.Rule.Requant == RequantQ31Double {
		return addZero(int64(p.Y.double(sum)), p.ZY)
	}
	return addZero(p.Y.single(sum), p.ZY)
}

// AddCodes writes the codes of a[from:to] + b[from:to] (or their difference)
// to dst, and their mask bits to mask unless it is nil. dst may be a or b. It
// computes what [AddParams.Code] does on each element.
func AddCodes[T, A, B Code](p *AddParams, dst []T, mask []byte, a []A, b []B, from, to int) {
	clearMask(mask, from, to)
	if p.Rule.Requant == RequantFloat {
		addFloat(p, dst, mask, a, b, from, to)
	} else {
		addFixed(p, dst, mask, a, b, from, to)
	}
}

func addFloat[T, A, B Code](p *AddParams, dst []T, mask []byte, a []A, b []B, from, to int) {
	var buf [blockLen]int32
	var sums [blockLen]float32
	round := p.Rule.rounder(p.SY, p.ZY, p.Lo, p.Hi)
	sa, sb, za, zb := p.SA, p.SB, p.ZA, p.ZB
	if p.Subtract {
		sb = -sb
	}
	for i := from; i < to; {
		n := min(to-i, blockLen)
		q, t, ai, bi := buf[:n], sums[:n], a[i:i+n], b[i:i+n]
		for k := range t {
			t[k] = float32(float32(int32(ai[k])-za)*sa) + float32(float32(int32(bi[k])-zb)*sb)
		}
		round.integers(q, t)
		storeCodes(dst[i:i+n], q, p.ZY, p.Lo, p.Hi)
		storeMask(mask, i, q, p.Lo, p.Hi)
		i += n
	}
}

// addFixed scales the 256 possible inputs first.
func addFixed[T, A, B Code](p *AddParams, dst []T, mask []byte, a []A, b []B, from, to int) {
	var buf, sums [blockLen]int32
	var ta, tb [256]int32
	for i := range ta {
		ta[i] = p.input(int32(A(i)), p.ZA, p.A)
		tb[i] = p.input(int32(B(i)), p.ZB, p.B)
		if p.Subtract {
			tb[i] = -tb[i]
		}
	}
	m := [1]Multiplier{p.Y}
	for i := from; i < to; {
		n := min(to-i, blockLen)
		q, t, ai, bi := buf[:n], sums[:n], a[i:i+n], b[i:i+n]
		for k := range t {
			t[k] = ta[uint8(ai[k])] + tb[uint8(bi[k])]
		}
		p.Rule.requantized(q, t, m[:], 0, p.ZY, p.Lo, p.Hi)
		storeCodes(dst[i:i+n], q, p.ZY, p.Lo, p.Hi)
		storeMask(mask, i, q, p.Lo, p.Hi)
		i += n
	}
}
