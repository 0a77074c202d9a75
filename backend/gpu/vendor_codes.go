//go:build cuda

package gpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/tensor"
)

// The forms in which a library gives its results, in choices: sums have none.
var vendorForms = map[string]cublaslt.Result{"": cublaslt.Sums, "codes": cublaslt.Codes, "codes by column": cublaslt.CodesEach}

func formOf(r cublaslt.Result) string {
	for f, x := range vendorForms {
		if x == r {
			return f
		}
	}
	return ""
}

// makesCodes reports whether an operation's codes are sums times a float32,
// rounded to even and clamped to all of int8: what a library's own epilogue
// could be. Zero points and bias must be constants, as their values decide.
func (v *vendorProduct) makesCodes(k *build) bool {
	r := &v.rule
	return vendorFinish[k.module] == "vendor_int8_codes" && k.code.has("vendor_codes") && r.Requant == 0 && r.Rule&ruleHalfAway == 0 &&
		r.Lo == math.MinInt8 && r.Hi == math.MaxInt8 && math.IsInf(float64(r.RealLo), -1) && math.IsInf(float64(r.RealHi), 1) &&
		v.in.x.spec.DType == tensor.I8 && v.in.w.spec.DType == tensor.I8 && k.out[0] != nil && (len(k.out) < 2 || k.out[1] == nil) &&
		k.constantZero(v.in.zx) && k.constantZero(v.in.zw) && k.constantZero(v.in.zy) && k.constantZero(v.in.bias)
}

// constantZero reports whether x is absent or has constants that are all zero
// bits.
func (k *build) constantZero(x *Buffer) bool {
	if x == nil {
		return true
	}
	b, ok := k.constants(x)
	return ok && !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

// results are the forms that a library may be asked for, its own codes first.
func (v *vendorProduct) results(k *build, o cublaslt.Order) []cublaslt.Result {
	if !v.makesCodes(k) {
		return []cublaslt.Result{cublaslt.Sums}
	}
	var rs []cublaslt.Result
	if v.in.sw.numel() == 1 {
		rs = append(rs, cublaslt.Codes)
	}
	if o == cublaslt.Rows {
		rs = append(rs, cublaslt.CodesEach)
	}
	return append(rs, cublaslt.Sums)
}

// bindCodes launches a product of which the library makes codes itself.
func (v *vendorProduct) bindCodes(k *build, p cublaslt.Product, g cublaslt.Algorithm, a, b cuda.Ptr, y *Buffer) ([]cuda.Command, error) {
	fail := func(err error) ([]cuda.Command, error) { return nil, err }
	nan, err := k.nanFlag()
	if err != nil {
		return fail(err)
	}
	count := p.Multipliers()
	multipliers, err := k.temporary(4 * int64(count+1))
	if err != nil {
		return fail(err)
	}
	if err := k.launchFrom("vendor_codes", "vendor_codes_multipliers", k.spread(count+1), multipliers, int32(count), v.in.sx, v.in.sw, elementsOf(v.in.sw), v.in.sy,
		nan); err != nil {
		return fail(err)
	}
	to := y.ptr
	direct := p.Order == cublaslt.Rows && p.N == v.n && to%16 == 0
	if !direct {
		if to, err = k.temporary(int64(p.M) * int64(p.N)); err != nil {
			return fail(err)
		}
	}
	work := cuda.Ptr(0)
	if g.Workspace > 0 {
		if work, err = k.temporary(int64(g.Workspace)); err != nil {
			return fail(err)
		}
	}
	product := func(to cuda.Ptr) (c cuda.Command, err error) {
		plan, err := k.vendor.lt.Plan(p, g, to, a, b, multipliers, work)
		if err == nil {
			k.onRelease(plan.Close)
			c = plan.Command()
		}
		return c, err
	}
	command, err := product(to)
	if err != nil {
		return fail(err)
	}
	k.command(command)
	load := []cuda.Command{cuda.Fill(multipliers, 0, 4*(count+1)), command}
	if direct {
		if k.forced == nil && !k.isWarm(v) { // The result's memory is not for that.
			if to, err = k.temporary(int64(p.M) * int64(p.N)); err != nil {
				return fail(err)
			}
			if load[1], err = product(to); err != nil {
				return fail(err)
			}
		}
		return load, nil
	}
	length, columns := int64(p.N), int32(0)
	if p.Order != cublaslt.Rows {
		length, columns = 32*int64(p.M), 1
	}
	return load, k.launchFrom("vendor_codes", "vendor_codes_unpack", k.spread(v.m*((v.n+3)/4)), y, to, int32(v.m), int32(v.n), length, columns)
}

// prove returns for each candidate that makes codes itself, and runs, the number
// of bytes in which they are not those of goqat's kernel on data that tell roundings
// apart (see [proofMultipliers]). own is goqat's kernel bound to the
// measurement's operands, which are overwritten.
func (v *vendorProduct) prove(m *measurement, own *bound, cs []choices.Choice) (map[string]uint32, error) {
	var theirs []*bound
	var keys []string
	for _, c := range cs {
		if c.Form == "" {
			continue
		}
		k, err := m.bind(c, m.got)
		if err != nil {
			if m.k.c.Lost() != nil {
				return nil, err
			}
			continue // It is met again when it is measured.
		}
		defer func() { k.r.release() }()
		theirs, keys = append(theirs, k), append(keys, c.ID())
	}
	differ := map[string]uint32{}
	if len(theirs) == 0 {
		return differ, nil
	}
	p := newProof(v)
	// The operands of every layer from codes to codes: x, sx, zx, w, sw, zw, sy,
	// zy, bias.
	one := binary.NativeEndian.AppendUint32(nil, math.Float32bits(1))
	for i, x := range m.in {
		if x == nil || i == 0 || i == 4 {
			continue
		}
		b := make([]byte, x.spec.Bytes())
		switch i {
		case 1, 6:
			b = one
		case 3:
			p.right(b)
		}
		if err := m.upload(x.ptr, b); err != nil {
			return nil, err
		}
	}
	left, scales := make([]byte, m.in[0].spec.Bytes()), make([]byte, m.in[4].spec.Bytes())
	for pass := range p.passes(len(scales) / 4) {
		targets := p.pass(pass, scales)
		if err := m.upload(m.in[4].ptr, scales); err != nil {
			return nil, err
		}
		for len(targets) > 0 {
			n := min(len(targets), v.m)
			p.left(left, targets[:n])
			targets = targets[n:]
			if err := m.upload(m.in[0].ptr, left); err != nil {
				return nil, err
			}
			if err := m.k.q.Try(m, own.cmds...); err != nil {
				return nil, err
			}
			for i, k := range theirs {
				if keys[i] == "" {
					continue
				}
				bytes, err := m.compare(k)
				switch {
				case m.k.c.Lost() != nil:
					return nil, m.k.c.Lost()
				case errors.Is(err, cuda.ErrOutOfMemory):
					return nil, err
				case err != nil:
					delete(differ, keys[i])
					keys[i] = "" // It does not run, and so is not used.
				default:
					differ[keys[i]] += bytes
				}
			}
		}
	}
	return differ, nil
}

// proofText says why codes are not used.
func proofText(bytes uint32) string {
	return fmt.Sprintf("rounds otherwise than goqat, %d bytes of a proof differ", bytes)
}
