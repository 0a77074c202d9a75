//go:build cuda

package gpu

import (
	"encoding/hex"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/tensor"
)

// vendorProduct is one product of matrices of codes, m x k by k x n, that a
// library could compute: the int8 product by the library to int32 sums, which
// are exact, and goqat's epilogue behind it. So the results are those of goqat's
// kernel, bit for bit. Where the library could make the codes itself, it does
// when they are proven to be the same (see vendor_codes.go).
type vendorProduct struct {
	m, n, k     int
	xRow, xStep int64
	w           codeWeights
	rule        codeRule
	in          codeInputs
}

// Where a product is too small, launches are what takes the time; where it is
// too large, the library's 32-bit sizes end.
const (
	leastVendorWork = 1 << 15
	mostVendorSide  = 1 << 30
)

// vendorFinish names the kernel that makes results of sums, for the kernel files
// that have products.
var vendorFinish = map[string]string{
	"conv_integer": "vendor_int8_sums", "matmul_integer": "vendor_int8_sums",
	"conv_dequant": "vendor_int8_reals", "matmul_dequant": "vendor_int8_reals",
	"qlinear_conv": "vendor_int8_codes", "qlinear_matmul": "vendor_int8_codes",
}

func (v *vendorProduct) library() string { return vendorLt }

func (v *vendorProduct) able(k *build) bool {
	side := max(v.m, v.n, v.k)
	return vendorFinish[k.module] != "" && k.code.has("vendor_int8") && v.k > 0 && side < mostVendorSide &&
		(v.m*v.n*v.k >= leastVendorWork || k.vendor.force != "")
}

func (v *vendorProduct) key(k *build) string {
	x := suffixes[v.in.x.spec.DType]
	if v.xStep != 1 {
		x += "t"
	}
	w := suffixes[v.in.w.spec.DType]
	if v.w.Step != 1 {
		w += "t"
	}
	if v.in.zw != nil {
		w += "z"
	}
	more := v.in.second(k)
	if k.codesAsBF16() { // What it is compared with.
		more += " bf16"
	}
	if v.makesCodes(k) { // Then there are other candidates, too.
		if more += " codes"; v.in.sw.numel() > 1 {
			more += " by column"
		}
	}
	return fmt.Sprintf("%s %dx%dx%d %s %s%s", k.module, v.m, v.n, v.k, x, w, more)
}

// second names the second result, if it is wanted.
func (in *codeInputs) second(k *build) string {
	if len(k.out) < 2 || k.out[1] == nil {
		return ""
	}
	switch in.collect {
	case backend.CollectMoments:
		return " moments"
	case backend.CollectEnds:
		return " ends"
	}
	return " mask"
}

// finish launches the kernel that makes results of a library's sums of m x n,
// in an order with a length, of rows where w has zero points; real says that
// they are float32.
func (p *codeProduct) finish(m, n int, sums, rows cuda.Ptr, length int64, order int32, real bool) error {
	k := p.k
	args := []any{structure(p.results), sums, p.columns, rows, int32(m), length, order, flagOf(real)}
	name, launch := vendorFinish[k.module], k.spread(m*((n+7)/8))
	if p.collected != nil {
		var quads int32
		launch, quads = collectQuads(m, n)
		name, args = name+"_collect", append(args, quads)
	} else {
		args = append(args, p.in.sy, p.in.zy, structure(p.rule))
	}
	if err := k.launchFrom("vendor_int8", name, launch, args...); err != nil {
		return err
	}
	return p.end()
}

// byVendor binds work to a library when that is the choice for it, and reports
// whether it did.
func (k *build) byVendor(v vendorWork, out []*Buffer) (bool, error) {
	c := k.forced
	if c == nil {
		var err error
		if c, err = k.vendorChoice(v); err != nil || c == nil {
			return false, err
		}
	}
	if c.Library != v.library() {
		return false, nil
	}
	before := len(k.k.cmds)
	load, err := v.bind(k, *c, out)
	if err != nil || k.forced != nil {
		return true, err
	}
	if err := k.warmUp(v, load); err != nil {
		k.k.cmds = k.k.cmds[:before]
		return false, k.c.Lost()
	}
	return true, nil
}

// warmUp runs the library's own commands once where they were not measured in
// this process: libraries load code at the first run, which a capture may refuse.
// They read whatever is there and write to temporary memory.
func (k *build) warmUp(v vendorWork, load []cuda.Command) error {
	t, key := &k.vendor, v.key(k)
	t.mu.Lock()
	defer t.mu.Unlock()
	warm := t.libs[v.library()].warm
	if warm[key] {
		return nil
	}
	if err := k.q.Try(k.k, load...); err != nil {
		t.note(fmt.Sprintf("%s fails where it was chosen before, %s: %v", v.library(), key, err))
		return err
	}
	warm[key] = true
	return nil
}

// isWarm reports whether the library has loaded its code for some work.
func (k *build) isWarm(v vendorWork) bool {
	t := &k.vendor
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.libs[v.library()].warm[v.key(k)]
}

// packing is struct packing of csrc/vendor_int8.cu.
type packing struct {
	Row, Step, Length           int64
	Rows, K, RowsTo, KTo, Order int32
	Flip                        uint32
}

func up(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// pack launches the packing of codes to their place in an order, unless they
// lie well, and returns where they are.
func (v *vendorProduct) pack(k *build, x *Buffer, p packing, order cublaslt.Order, bytes int, zeroTo cuda.Ptr, zero *Buffer) (cuda.Ptr, error) {
	if order == cublaslt.Rows && p.Flip == 0 && p.Step == 1 && p.Row == int64(p.KTo) && p.K == p.KTo && p.Rows == p.RowsTo && x.ptr%16 == 0 {
		return x.ptr, nil
	}
	to, err := k.temporary(int64(bytes))
	if err != nil {
		return 0, err
	}
	return to, k.launchFrom("vendor_int8", "vendor_int8_pack", k.spread(int(p.RowsTo)*((int(p.KTo)+15)/16)), to, x, structure(p), zeroTo, zero)
}

// spread is the launch of a thread for each of n things, or a stride of them.
func (k *build) spread(n int) cuda.Launch {
	return cuda.Launch{Grid: cuda.Dim{X: min((n+threads-1)/threads, 1<<20)}, Block: cuda.Dim{X: threads}}
}

// bind launches packing, the library's product and the epilogue.
func (v *vendorProduct) bind(k *build, c choices.Choice, out []*Buffer) ([]cuda.Command, error) {
	id, err := hex.DecodeString(c.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("gpu: algorithm %q of %s: %w", c.Algorithm, c.Library, err)
	}
	g := cublaslt.Algorithm{Workspace: c.Workspace}
	copy(g.ID[:], id)
	order := cublaslt.Order(c.Order)
	np, kp := up(v.n, order.Multiple()), up(v.k, order.Multiple())
	result, ok := vendorForms[c.Form]
	if !ok {
		return nil, fmt.Errorf("gpu: form %q of %s", c.Form, c.Library)
	}
	product := cublaslt.Product{Order: order, Result: result, M: v.m, N: np, K: kp}
	// Orders of 32 columns: the left matrix and the sums in COL32.
	columns32 := func(rows int) int64 { return 32 * int64(rows) }
	px := packing{Row: v.xRow, Step: v.xStep, Length: int64(kp), Rows: int32(v.m), K: int32(v.k), RowsTo: int32(v.m), KTo: int32(kp)}
	pw := packing{Row: v.w.Row, Step: v.w.Step, Length: int64(kp), Rows: int32(v.n), K: int32(v.k), RowsTo: int32(np), KTo: int32(kp)}
	length := int64(np)
	if order != cublaslt.Rows {
		px.Order, px.Length = orderCol32, columns32(v.m)
		pw.Order, pw.Length = int32(order), columns32(np)
		length = columns32(v.m)
	}
	px.Flip, pw.Flip = flips(v.in.x), flips(v.in.w)

	p := &codeProduct{k: k, in: v.in, rule: v.rule, total: v.m * v.n}
	zero := cuda.Ptr(0)
	if px.Flip != 0 {
		// Codes that are 128 less have a zero point that is.
		if zero, err = k.temporary(4); err != nil {
			return nil, err
		}
		p.in.zx = &Buffer{spec: tensor.Of(tensor.I32, 1), ptr: zero}
	}
	a, err := v.pack(k, v.in.x, px, order, v.m*kp, zero, v.in.zx)
	if err != nil {
		return nil, err
	}
	b, err := v.pack(k, v.in.w, pw, order, product.SizeB(), 0, nil)
	if err != nil {
		return nil, err
	}
	if result != cublaslt.Sums {
		return v.bindCodes(k, product, g, a, b, out[0])
	}
	sums := cuda.Ptr(0)
	if pw.Flip != 0 || v.in.zw != nil {
		if sums, err = k.temporary(4 * int64(v.m)); err != nil {
			return nil, err
		}
		if err := k.launchFrom("vendor_int8", "vendor_int8_row_sums", cuda.Launch{Grid: cuda.Dim{X: (v.m + 3) / 4}, Block: cuda.Dim{X: 128}}, sums, v.in.x,
			structure(px)); err != nil {
			return nil, err
		}
	}
	if err := p.start(v.w, false, v.n%8 == 0, out, v.n); err != nil {
		return nil, err
	}
	acc, err := k.temporary(4 * int64(v.m) * int64(np))
	if err != nil {
		return nil, err
	}
	work := cuda.Ptr(0)
	if g.Workspace > 0 {
		if work, err = k.temporary(int64(g.Workspace)); err != nil {
			return nil, err
		}
	}
	plan, err := k.vendor.lt.Plan(product, g, acc, a, b, 0, work)
	if err != nil {
		return nil, err
	}
	k.onRelease(plan.Close)
	command := plan.Command()
	k.command(command)
	if err := p.finish(v.m, v.n, acc, sums, length, px.Order, false); err != nil {
		return nil, err
	}
	return []cuda.Command{command}, nil
}

// orderCol32 is COL32 by cuBLASLt's number.
const orderCol32 = 2
