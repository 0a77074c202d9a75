package main

import (
	"fmt"
	"strings"
)

// The processes of peers.
const (
	torch       = "PyTorch"
	torchMasked = "PyTorch without AMX"
	runtimes    = "runtimes"
)

// spec is a series before it is set up: a figure of this process, a figure of
// a peer, or the peak of the unit.
type spec struct {
	id      string
	process string // of a peer; "" is this process
	figure  string
	isa     string
	threads int
	// peak, when positive, is how many operations to count at the peak of
	// the int8 unit, instead of a figure.
	peak float64
}

// line is a comparison of two series and one line of the table.
type line struct {
	work string
	// ours is compared with the best of against.
	ours    string
	against []string
	// The ratio is against/ours times factor when higher is better, else
	// ours/against.
	factor  float64
	higher  bool
	percent bool
	// must and aim are the bars, 0 for none.
	must, aim float64
	// what the ratio is.
	what string
}

// group is what is measured in the same rounds.
type group struct {
	name   string
	series []spec
	lines  []line
}

const (
	faster   = "as fast"
	lessTime = "of the time"
	ofCopy   = "of a copy of the same bytes"
	ofPeak   = "of the peak of the unit"
)

// groups returns all comparisons. amx says that int8 products use AMX.
func groups(amx bool) []group {
	gs := quantizers()
	gs = append(gs, codeProducts(amx)...)
	for _, n := range []int{512, 1024, 2048} {
		for _, form := range []string{"nn", "nt", "tn"} {
			name := fmt.Sprintf("gemm/f32/%d/%s", n, form)
			gs = append(gs, group{name, []spec{mine(name, 1), peers1(torch, name)}, []line{
				{work: fmt.Sprintf("fp32 product %d, %s", n, strings.ToUpper(form)), ours: name, against: []string{torch}, factor: 1, higher: true, must: 0.85, aim: 1, what: faster},
			}})
		}
	}
	gs = append(gs, steps()...)
	gs = append(gs, inference()...)
	return append(gs, scaling()...)
}

// mine is a figure of this process, whose id is its name.
func mine(figure string, threads int) spec { return spec{id: figure, figure: figure, threads: threads} }

// peers1 is a figure of a peer with one thread, whose id is the process.
func peers1(process, figure string) spec {
	return spec{id: process, process: process, figure: figure, threads: 1}
}

func quantizers() []group {
	const copied = "copy/f32/16Mi"
	one := func(figure, work string, must, bytes float64) group {
		return group{figure, []spec{mine(figure, 1), mine(copied, 1), peers1(torch, figure)}, []line{
			{work: work, ours: figure, against: []string{torch}, factor: 1, higher: true, must: must, what: faster},
			{work: work + fmt.Sprintf(", %g bytes a value", bytes), ours: figure, against: []string{copied}, factor: bytes / 8, higher: true, percent: true, aim: 1, what: ofCopy},
		}}
	}
	return []group{
		one("fakequant-observe/per-tensor/16Mi", "observer, fake-quant and mask, per tensor, 16 Mi", 6, 8),
		one("fakequant/per-channel/4096x4096", "fake-quant and mask, per channel, 4096 x 4096", 6, 8),
		// Forward reads x and writes y; backward reads dy and x and writes dx.
		one("lsq/16Mi", "LSQ forward and backward, 16 Mi", 8, 20),
	}
}

func codeProducts(amx bool) []group {
	var gs []group
	for _, n := range []int{1024, 2048} {
		name := fmt.Sprintf("gemm/s8/%d", n)
		ops := 2 * float64(n) * float64(n) * float64(n)
		add := func(title, isa, process string, mustFaster, aimFaster, mustPeak, aimPeak float64) {
			own := mine(name, 1)
			own.isa = isa
			gs = append(gs, group{strings.TrimSuffix(name+"/"+isa, "/"), []spec{own, {id: ofPeak, isa: isa, threads: 1, peak: ops}, peers1(process, name)}, []line{
				{work: fmt.Sprintf("INT8 product %d, weights packed once%s", n, title), ours: name, against: []string{process}, factor: 1, higher: true, must: mustFaster, aim: aimFaster, what: faster},
				{work: fmt.Sprintf("INT8 product %d, weights packed once%s", n, title), ours: name, against: []string{ofPeak}, factor: 1, higher: true, percent: true, must: mustPeak, aim: aimPeak, what: ofPeak},
			}})
		}
		if amx {
			add(", AMX", "", torch, 1.5, 2.5, 0, 0)
			add(", AMX masked", "avx512vnni", torchMasked, 0, 0, 0.75, 0.9)
			continue
		}
		add("", "", torch, 0, 0, 0.75, 0.9)
	}
	return gs
}

func steps() []group {
	var gs []group
	const float, quantized = "PyTorch float", "PyTorch QAT"
	for _, model := range []string{"cnn", "mlp"} {
		own := func(kind string) string { return fmt.Sprintf("step/%s/%s/b128", model, kind) }
		peer := func(id, kind string) spec {
			return spec{id: id, process: torch, figure: own(kind), threads: 1}
		}
		work := func(kind, than string) string {
			return fmt.Sprintf("%s step %s, batch 128, against %s", kind, model, than)
		}
		gs = append(gs, group{"step/" + model, []spec{mine(own("float"), 1), mine(own("qat"), 1), mine(own("qat-frozen"), 1), peer(float, "float"), peer(quantized, "qat")}, []line{
			{work: work("QAT", "PyTorch's float step"), ours: own("qat"), against: []string{float}, must: 0.7, aim: 0.4, what: lessTime},
			{work: work("QAT", "PyTorch's QAT step"), ours: own("qat"), against: []string{quantized}, must: 0.35, aim: 0.2, what: lessTime},
			{work: work("float", "PyTorch's float step"), ours: own("float"), against: []string{float}, must: 1.1, aim: 0.8, what: lessTime},
			{work: work("QAT", "the own float step"), ours: own("qat"), against: []string{own("float")}, what: lessTime},
			{work: work("QAT", "the own float step") + ", ranges frozen", ours: own("qat-frozen"), against: []string{own("float")}, what: lessTime},
		}})
	}
	return gs
}

func inference() []group {
	var gs []group
	for _, m := range []struct{ model, batch, title string }{
		{"cnn", "b128", "cnn, batch 128"}, {"mlp", "b128", "mlp, batch 128"},
		{"mobilenetv2", "b1", "mobilenetv2, batch 1, 224 x 224"}, {"resnet18", "b1", "resnet18, batch 1, 224 x 224"},
	} {
		name := fmt.Sprintf("infer/%s/int8/%s", m.model, m.batch)
		var all []spec
		var against []string
		for _, r := range []string{"onnxruntime", "openvino"} {
			all = append(all, spec{id: r, process: runtimes, figure: r + "/" + name, threads: 1})
			against = append(against, r)
		}
		gs = append(gs, group{name, append([]spec{mine(name, 1)}, all...), []line{
			{work: "INT8 inference " + m.title, ours: name, against: against, must: 1.3, aim: 0.9, what: lessTime},
		}})
	}
	return gs
}

// scaling compares one thread with two.
func scaling() []group {
	var gs []group
	for _, name := range []string{"gemm/s8/2048", "gemm/f32/2048/nt", "step/cnn/float/b128", "step/cnn/qat/b128", "step/mlp/qat/b128", "infer/cnn/int8/b128", "infer/resnet18/int8/b1"} {
		one, two := mine(name, 1), mine(name, 2)
		one.id, two.id = "one thread", "two threads"
		gs = append(gs, group{"threads/" + name, []spec{one, two}, []line{
			{work: "two threads against one: `" + name + "`", ours: two.id, against: []string{one.id}, factor: 1, higher: true, must: 1.8, what: faster},
		}})
	}
	return gs
}
