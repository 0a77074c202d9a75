package quant

// MulParams is a product of two tensors of codes, made by [Rule.NewMul].
//
// Under [RequantFloat] it is what dequantize, multiply and quantize give,
// each step a float32:
//
//	code = Quantize(sa*(a-za) * (sb*(b-zb)), sy, zy)
//
// Otherwise it is the int8 multiplication of the TFLite reference:
//
//	code = Requantize((a-za)*(b-zb), sa*sb/sy) + zy
type MulParams struct {
	Rule   Rule
	SA, SB float32
	SY     float32
	ZA, ZB int32
	ZY     int32
	Lo, Hi int32
	M      Multiplier // fixed point, unused under RequantFloat
}

// NewMul returns the parameters of y = a * b with the scales and zero points
// of a, b and y and the range of y.
func (r Rule) NewMul(sa float32, za int32, sb float32, zb int32, sy float32, zy int32, lo, hi int32) MulParams {
	p := MulParams{Rule: r, SA: sa, SB: sb, SY: sy, ZA: za, ZB: zb, ZY: zy, Lo: lo, Hi: hi}
	if r.Requant != RequantFloat {
		p.M = r.NewMultiplier(sa, sb, sy)
	}
	return p
}

// Code returns the code of a * b, and whether the integer before clamping
// lies in [Lo, Hi].
func (p *MulParams) Code(a, b int32) (code int32, inRange bool) {
	if p.Rule.Requant == RequantFloat {
		fa, fb := Dequantize(a, p.ZA, p.SA), Dequantize(b, p.ZB, p.SB)
		return p.Rule.Quantize(float32(fa*fb), p.SY, p.ZY, p.Lo, p.Hi)
	}
	return p.Rule.Requantize((a-p.ZA)*(b-p.ZB), p.M, p.ZY, p.Lo, p.Hi)
}

// MulCodes writes the codes of a[from:to] * b[from:to] to dst, and their mask
// bits to mask unless it is nil. dst may be a or b. It computes what
// [MulParams.Code] does on each element.
func MulCodes[T, A, B Code](p *MulParams, dst []T, mask []byte, a []A, b []B, from, to int) {
	clearMask(mask, from, to)
	if p.Rule.Requant == RequantFloat {
		mulFloat(p, dst, mask, a, b, from, to)
	} else {
		mulFixed(p, dst, mask, a, b, from, to)
	}
}

func mulFloat[T, A, B Code](p *MulParams, dst []T, mask []byte, a []A, b []B, from, to int) {
	var buf [blockLen]int32
	var products [blockLen]float32
	round := p.Rule.rounder(p.SY, p.ZY, p.Lo, p.Hi)
	sa, sb, za, zb := p.SA, p.SB, p.ZA, p.ZB
	for i := from; i < to; {
		n := min(to-i, blockLen)
		q, t, ai, bi := buf[:n], products[:n], a[i:i+n], b[i:i+n]
		for k := range t {
			t[k] = float32(float32(int32(ai[k])-za)*sa) * float32(float32(int32(bi[k])-zb)*sb)
		}
		round.integers(q, t)
		storeCodes(dst[i:i+n], q, p.ZY, p.Lo, p.Hi)
		storeMask(mask, i, q, p.Lo, p.Hi)
		i += n
	}
}

func mulFixed[T, A, B Code](p *MulParams, dst []T, mask []byte, a []A, b []B, from, to int) {
	var buf, products [blockLen]int32
	za, zb := p.ZA, p.ZB
	m := [1]Multiplier{p.M}
	for i := from; i < to; {
		n := min(to-i, blockLen)
		q, t, ai, bi := buf[:n], products[:n], a[i:i+n], b[i:i+n]
		for k := range t {
			t[k] = (int32(ai[k]) - za) * (int32(bi[k]) - zb)
		}
		p.Rule.requantized(q, t, m[:], 0, p.ZY, p.Lo, p.Hi)
		storeCodes(dst[i:i+n], q, p.ZY, p.Lo, p.Hi)
		storeMask(mask, i, q, p.Lo, p.Hi)
		i += n
	}
}
