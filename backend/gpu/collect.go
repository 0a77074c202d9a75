//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

// Layers on codes collect of their results on the way out (csrc/collect.cuh):
// sums of integers, which have the same bits in any order, to memory that is
// cleared before, and a kernel behind that makes moments or ends of them.

// startCollect clears memory for what is collected of the results of n
// channels, if anyone wants it.
func (p *codeProduct) startCollect(to *Buffer, n int) error {
	p.collected = to
	if to == nil || p.total == 0 {
		return nil
	}
	bytes, at := 32*n, &p.results.Moments
	if p.in.collect == backend.CollectEnds {
		bytes, at = 12, &p.results.Ends
	}
	found, err := p.k.temporary(int64(bytes))
	if err != nil {
		return err
	}
	*at = uint64(found)
	p.k.command(cuda.Fill(found, 0, bytes))
	return nil
}

// endCollect makes of what was collected what was asked for.
func (p *codeProduct) endCollect() error {
	if p.collected == nil {
		return nil
	}
	if p.in.collect == backend.CollectEnds {
		return p.k.launchFrom("conv_dequant", "conv_dequant_ends", single, p.collected, p.results.Ends, int64(p.total))
	}
	n := p.collected.spec.Shape.Last()
	return p.k.launchFrom("conv_dequant", "conv_dequant_moments", cuda.Launch{Grid: cuda.Dim{X: (n + 127) / 128}, Block: cuda.Dim{X: 128}}, p.collected,
		p.results.Moments, p.columns, int64(p.total/max(n, 1)), int32(n))
}

// collectQuads is the launch of a kernel that collects without tiles: four
// channels a thread, as many threads side by side as there are channels, up to
// 8, and four rows a thread.
func collectQuads(rows, n int) (l cuda.Launch, quads int32) {
	const most, each, rowsEach = 8, 4, 4
	quads = 1
	for quads < most && each*int(quads) < n {
		quads *= 2
	}
	piece := rowsEach * threads / int(quads)
	width := each * int(quads)
	return cuda.Launch{Grid: cuda.Dim{X: (rows + piece - 1) / piece, Y: (n + width - 1) / width}, Block: cuda.Dim{X: threads}}, quads
}
