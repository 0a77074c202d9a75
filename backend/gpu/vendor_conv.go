//go:build cuda

package gpu

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/cudnn"
	"github.com/goqat/goqat/tensor"
)

// vendorConv is one convolution of codes that cuDNN could compute: its sums come
// out as float32, exact as long as none can reach 2^24. Zero points pad the
// image, as only zeros do inside of the library.
type vendorConv struct {
	g    geometry
	w    codeWeights
	rule codeRule
	in   codeInputs
}

// mostConvTaps bounds the sums: 128 * 128 each, and 2^24 in all.
const mostConvTaps = 1 << 24 / (128 * 128)

func (v *vendorConv) library() string { return vendorDNN }

func (v *vendorConv) able(k *build) bool {
	g := &v.g
	return vendorFinish[k.module] != "" && k.code.has("vendor_int8") && g.Groups == 1 && g.taps() > 0 && g.taps() <= mostConvTaps &&
		v.in.w.spec.DType == tensor.I8 && v.in.zw == nil && (g.rows()*int(g.O)*g.taps() >= leastVendorWork || k.vendor.force != "")
}

func (v *vendorConv) key(k *build) string {
	g := &v.g
	more := v.in.second(k)
	if k.codesAsBF16() {
		more += " bf16"
	}
	return fmt.Sprintf("%s %dx%dx%dx%d to %dx%dx%d, %dx%d/%dx%d/%dx%d+%d+%d %s%s", k.module, g.N, g.H, g.W, g.C, g.OH, g.OW, g.O, g.KH, g.KW, g.SH, g.SW,
		g.DH, g.DW, g.Top, g.Left, suffixes[v.in.x.spec.DType], more)
}

// conv is the library's convolution: of the padded image, channels up to a
// multiple of 4.
func (v *vendorConv) conv() cudnn.Conv {
	g := &v.g
	return cudnn.Conv{N: int(g.N), H: int((g.OH-1)*g.SH + g.DH*(g.KH-1) + 1), W: int((g.OW-1)*g.SW + g.DW*(g.KW-1) + 1), C: up(int(g.C), 4),
		OH: int(g.OH), OW: int(g.OW), O: up(int(g.O), 4), KH: int(g.KH), KW: int(g.KW), SH: int(g.SH), SW: int(g.SW), DH: int(g.DH), DW: int(g.DW)}
}

func (v *vendorConv) candidates(k *build) ([]choices.Choice, error) {
	as, err := k.vendor.dnn.Algorithms(v.conv(), vendorWorkspace)
	if errors.Is(err, cudnn.ErrUnsupported) {
		return nil, nil
	}
	var cs []choices.Choice
	for _, a := range as {
		cs = append(cs, choices.Choice{Library: vendorDNN, Algorithm: hex.EncodeToString([]byte{byte(a.ID)}), Workspace: a.Workspace})
	}
	return cs, err
}

// imageFrame is struct frame of csrc/vendor_int8.cu.
type imageFrame struct {
	N, H, W, C, Height, Width, Channels, Top, Left int32
	Flip                                           uint32
}

func (v *vendorConv) bind(k *build, c choices.Choice, out []*Buffer) ([]cuda.Command, error) {
	fail := func(err error) ([]cuda.Command, error) { return nil, err }
	id, err := hex.DecodeString(c.Algorithm)
	if err != nil || len(id) != 1 {
		return fail(fmt.Errorf("gpu: algorithm %q of %s", c.Algorithm, c.Library))
	}
	g, q := &v.g, v.conv()
	rows, taps := g.rows(), q.KH*q.KW
	p := &codeProduct{k: k, in: v.in, rule: v.rule, total: rows * int(g.O)}
	x, err := k.temporary(int64(q.N) * int64(q.H) * int64(q.W) * int64(q.C))
	if err != nil {
		return fail(err)
	}
	f := imageFrame{N: g.N, H: g.H, W: g.W, C: g.C, Height: int32(q.H), Width: int32(q.W), Channels: int32(q.C), Top: g.Top, Left: g.Left, Flip: flips(v.in.x)}
	zero := cuda.Ptr(0)
	if f.Flip != 0 {
		if zero, err = k.temporary(4); err != nil {
			return fail(err)
		}
		p.in.zx = &Buffer{spec: tensor.Of(tensor.I32, 1), ptr: zero}
	}
	if err := k.launchFrom("vendor_int8", "vendor_int8_frame", k.spread(q.N*q.H*q.W*(q.C/4)), x, v.in.x, structure(f), zero, v.in.zx); err != nil {
		return fail(err)
	}
	w := v.in.w.ptr
	if q.C != int(g.C) || q.O != int(g.O) || w%16 != 0 {
		if w, err = k.temporary(int64(q.O * taps * q.C)); err != nil {
			return fail(err)
		}
		pw := packing{Row: int64(g.C), Step: 1, Length: int64(q.C), Rows: g.O * int32(taps), K: g.C, RowsTo: int32(q.O * taps), KTo: int32(q.C)}
		if err := k.launchFrom("vendor_int8", "vendor_int8_pack", k.spread(q.O*taps*((q.C+15)/16)), w, v.in.w, structure(pw), cuda.Ptr(0), cuda.Ptr(0)); err != nil {
			return fail(err)
		}
	}
	if err := p.start(v.w, false, g.O%8 == 0, out, int(g.O)); err != nil {
		return fail(err)
	}
	sums, err := k.temporary(4 * int64(rows) * int64(q.O))
	if err != nil {
		return fail(err)
	}
	work := cuda.Ptr(0)
	if c.Workspace > 0 {
		if work, err = k.temporary(int64(c.Workspace)); err != nil {
			return fail(err)
		}
	}
	plan, err := k.vendor.dnn.Plan(q, cudnn.Algorithm{ID: int(id[0]), Workspace: c.Workspace}, sums, x, w, work)
	if err != nil {
		return fail(err)
	}
	k.onRelease(plan.Close)
	command := plan.Command()
	k.command(command)
	if err := p.finish(rows, int(g.O), sums, 0, int64(q.O), 0, true); err != nil {
		return fail(err)
	}
	return []cuda.Command{command}, nil
}
