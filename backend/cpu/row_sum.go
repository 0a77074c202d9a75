package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// rowSum is the product that a gradient of a weight is,
//
//	c[m,k] = sum over rows r of a[r,:m]^T x[r,:k]
//
// with very many rows, where x lies in memory or is produced a tile at a time,
// in the order of [backend.ProductOrder]. Where that has parts, each is summed
// by one worker; else the result grows tile by tile by all workers together.
type rowSum[T float] struct {
	rows, m, k int
	a          []T // row stride lda
	lda        int
	op         *operand[T]
	direct     []T // x, nil when it is produced
	// produce writes rows [lo,hi) of x to dst; slot tells which of the
	// tiles that run at once this is.
	produce func(slot int, dst []T, lo, hi int)

	tile     int // rows of x produced at once
	segment  int // rows of a part
	segments int
	slots    slots
	nslots   int
	lengths  [3]int             // of tiles
	plans    [][3]*gemm.Plan[T] // by slot and length

	planBytes, tileBytes, partBytes int
	grain                           int
	ws                              []byte
	parts, c                        []T
	body, sumBody, fillBody         func(lo, hi int)
	fillDst                         []T
	fillFrom, fillGrain             int
}

const (
	rowSumTile     = 32 << 10 // elements of x produced at once by one worker
	rowSumTogether = 4 << 20  // elements of x produced at once by all workers
)

// plan cuts the work; the cuts depend on the shape alone.
func (s *rowSum[T]) plan() {
	k := max(s.k, 1)
	order := backend.ProductOrder(s.m, s.k, s.rows)
	s.segments, s.segment = max(order.Parts(), 1), order.Part*order.Depth
	together := s.direct != nil || s.segments == 1
	// Tiles are whole blocks of the order.
	switch {
	case s.direct != nil:
		s.segments, s.segment, s.tile = 1, max(s.rows, 1), max(s.rows, 1)
	case together:
		s.tile = min(max(rowSumTogether/k/order.Depth, 1)*order.Depth, max(s.rows, 1))
	default:
		s.tile = min(max(rowSumTile/k/order.Depth, 1)*order.Depth, s.segment)
		s.partBytes = roundUp64(s.segments * s.m * s.k * sizeOf[T]())
	}
	par := gemm.Parallel(serial)
	s.nslots = min(s.segments, runtime.GOMAXPROCS(0))
	if together {
		par = parallel
	}
	s.slots = newSlots(s.nslots)
	// Tiles of three lengths: whole ones, the last of a part and the last.
	s.lengths = [3]int{min(s.tile, s.rows), min(s.segment, s.rows) % s.tile, s.rows % s.segment % s.tile}
	for range s.nslots {
		var p [3]*gemm.Plan[T]
		for i, n := range s.lengths {
			if n == 0 && i > 0 {
				continue
			}
			o := order
			if s.direct == nil {
				o = backend.SumOrder{Length: n, Depth: order.Depth, Period: max(n, 1)}.Whole()
			}
			p[i] = gemm.NewOrdered[T](par, true, false, s.m, s.k, n, o)
			s.planBytes = max(s.planBytes, roundUp64(p[i].Workspace()))
		}
		s.plans = append(s.plans, p)
	}
	if s.direct == nil {
		s.tileBytes = roundUp64(s.tile * s.k * sizeOf[T]())
	}
	s.grain = 4096
	s.body = func(lo, hi int) {
		slot := <-s.slots
		defer s.slots.give(slot)
		for i := lo; i < hi; i++ {
			s.sum(slot, i, s.parts[i*s.m*s.k:(i+1)*s.m*s.k])
		}
	}
	add := channels.For[T]().Add
	s.sumBody = func(lo, hi int) {
		c := s.c[lo:hi]
		copy(c, s.parts[lo:hi])
		for i := 1; i < s.segments; i++ {
			add(c, s.parts[i*s.m*s.k+lo:i*s.m*s.k+hi])
		}
	}
	s.fillGrain = max(rowSumTile/k, 16)
	s.fillBody = func(lo, hi int) {
		slot := <-s.slots
		defer s.slots.give(slot)
		s.produce(slot, s.fillDst[lo*s.k:hi*s.k], s.fillFrom+lo, s.fillFrom+hi)
	}
	if together && s.direct == nil {
		// The tile is produced by several workers, each with a slot.
		s.nslots = min((s.tile+s.fillGrain-1)/s.fillGrain, max(runtime.GOMAXPROCS(0), 1))
		s.slots = newSlots(max(s.nslots, 1))
	}
}

// workspace returns the bytes of scratch memory that run takes.
func (s *rowSum[T]) workspace() int {
	return s.partBytes + len(s.plans)*(s.planBytes+s.tileBytes)
}

// run computes c.
func (s *rowSum[T]) run(b *Backend, c []T) {
	if s.rows == 0 || s.m == 0 || s.k == 0 {
		clear(c)
		return
	}
	if s.op != nil {
		s.op.prepare()
	}
	each := s.planBytes + s.tileBytes
	ws := b.scratch.take(s.workspace())
	s.ws, s.c = ws.t.Bytes()[s.partBytes:s.partBytes+len(s.plans)*each], c
	if s.segments == 1 {
		s.together()
	} else {
		s.parts = tensor.Cast[T](ws.t.Bytes(), s.segments*s.m*s.k)
		parallel(s.segments, 1, s.body)
		parallel(s.m*s.k, s.grain, s.sumBody)
	}
	s.ws, s.c, s.parts = nil, nil, nil
	b.scratch.give(ws)
}

// sum computes the partial sum of segment i.
func (s *rowSum[T]) sum(slot, i int, c []T) {
	each := s.planBytes + s.tileBytes
	ws := s.ws[slot*each : (slot+1)*each]
	end := min((i+1)*s.segment, s.rows)
	for lo := i * s.segment; lo < end; lo += s.tile {
		hi := min(lo+s.tile, end)
		x := tensor.Cast[T](ws[s.planBytes:], (hi-lo)*s.k)
		s.produce(slot, x, lo, hi)
		s.product(slot, x, lo, hi, lo > i*s.segment, c, ws)
	}
}

// together computes c tile by tile with all workers on each.
func (s *rowSum[T]) together() {
	for lo := 0; lo < s.rows; lo += s.tile {
		hi := min(lo+s.tile, s.rows)
		x := s.direct
		if x != nil {
			x = x[lo*s.k:]
		} else {
			x = tensor.Cast[T](s.ws[s.planBytes:], (hi-lo)*s.k)
			s.fillDst, s.fillFrom = x, lo
			parallel(hi-lo, s.fillGrain, s.fillBody)
		}
		s.product(0, x, lo, hi, lo > 0, s.c, s.ws)
	}
}

func (s *rowSum[T]) product(slot int, x []T, lo, hi int, accumulate bool, c []T, ws []byte) {
	i := 0
	for hi-lo != s.lengths[i] {
		i++
	}
	s.plans[slot][i].Run(s.a[lo*s.lda:], s.lda, x, s.k, accumulate, c, s.k, ws)
}
