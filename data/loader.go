package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/goqat/goqat/tensor"
)

// ErrClosed is returned by [Loader.Next] after [Loader.Close].
var ErrClosed = errors.New("data: loader is closed")

// LoaderOptions says which batches a [Loader] makes. Batch, Shuffle, Seed,
// DropLast and Augment decide what they contain; Ahead and Workers only how
// early.
type LoaderOptions struct {
	// Batch is the number of samples of a batch.
	Batch int
	// Shuffle gives each epoch its own order and makes the epochs endless.
	// Without it there is one epoch, in order.
	Shuffle bool
	Seed    uint64
	// DropLast leaves out the last batch of an epoch when it is not full.
	DropLast bool
	// Augment is applied to each sample in turn, with random numbers that depend
	// on Seed, the epoch and the place in it.
	Augment []Augment
	// Ahead is the number of batches made in advance, 0 meaning 2.
	Ahead int
	// Workers is the number of goroutines, 0 meaning as many as Ahead, at most 4.
	Workers int
}

// Batch is one step's input.
type Batch struct {
	X *tensor.Tensor // float32 [batch, sample shape...]
	Y *tensor.Tensor // int32 [batch], the classes
	// N is the number of samples that count. When the last batch of an epoch is
	// not full, the rest repeats its samples in turn.
	N int
	// Index is the sample of each row.
	Index []int
}

// Position is a place in the sequence of batches: Step batches of epoch Epoch
// are behind it.
type Position struct{ Epoch, Step int }

// Loader makes batches of a data set in background goroutines. Next, Seek and
// Position are for one goroutine; Close may be called from any.
type Loader struct {
	ds    Dataset
	o     LoaderOptions
	shape tensor.Shape
	size  int // elements of a sample
	steps int // batches of an epoch
	n     int // samples of an epoch

	slots  []*slot
	jobs   chan *slot
	done   chan struct{}
	closed sync.Once
	wg     sync.WaitGroup
	cancel atomic.Uint64 // jobs below this number are given up
	stop   atomic.Bool   // all jobs are

	// Of the goroutine that calls Next.
	pos    Position // of the next batch to deliver
	ahead  Position // of the next batch to order
	head   int      // slot of the next batch to deliver
	open   int      // ordered and not delivered
	jobNo  uint64
	lent   *slot // its batch is the caller's
	perm   []int32
	permOf int // epoch of perm, -1 none
	err    error
}

// slot is one batch buffer.
type slot struct {
	batch Batch
	x     []float32
	y     []int32
	ready chan struct{} // buffered; one token when the job is over
	epoch int
	first int // place of row 0 in the epoch
	job   uint64
	err   error
}

// NewLoader starts a loader of ds at position zero. The caller closes it.
func NewLoader(ds Dataset, o LoaderOptions) (*Loader, error) {
	n := ds.Len()
	if o.Ahead == 0 {
		o.Ahead = 2
	}
	if o.Workers == 0 {
		o.Workers = min(o.Ahead, 4)
	}
	switch {
	case n < 1:
		return nil, fmt.Errorf("data: %w: no samples to load", ErrData)
	case o.Batch < 1:
		return nil, fmt.Errorf("data: batch of %d samples", o.Batch)
	case o.Ahead < 1 || o.Workers < 1:
		return nil, fmt.Errorf("data: %d workers and %d batches ahead", o.Workers, o.Ahead)
	case o.DropLast && n < o.Batch:
		return nil, fmt.Errorf("data: %d samples do not fill one batch of %d; use a smaller batch or keep the last one", n, o.Batch)
	}
	spec := tensor.Spec{DType: tensor.F32, Shape: append(tensor.Shape{o.Batch}, ds.Shape()...)}
	if err := spec.Shape.Check(); err != nil {
		return nil, fmt.Errorf("data: batch: %w", err)
	}
	l := &Loader{
		ds: ds, o: o, shape: ds.Shape(), size: ds.Shape().Numel(), n: n,
		steps: (n + o.Batch - 1) / o.Batch, permOf: -1,
		jobs: make(chan *slot, o.Ahead+1), done: make(chan struct{}),
	}
	if o.DropLast {
		l.steps = n / o.Batch
		l.n = l.steps * o.Batch
	}
	// One more than is made ahead: the batch that the caller works on.
	for range o.Ahead + 1 {
		s := &slot{ready: make(chan struct{}, 1)}
		s.batch = Batch{X: tensor.New(spec), Y: tensor.New(tensor.Of(tensor.I32, o.Batch)), Index: make([]int, o.Batch)}
		s.x, s.y = s.batch.X.F32(), s.batch.Y.I32()
		l.slots = append(l.slots, s)
	}
	if o.Shuffle {
		l.perm = make([]int32, n)
	}
	for range o.Workers {
		l.wg.Go(l.work)
	}
	l.order()
	return l, nil
}

// StepsPerEpoch returns the number of batches of an epoch.
func (l *Loader) StepsPerEpoch() int { return l.steps }

// Position returns the position of the batch that Next will return: what a
// checkpoint stores and [Loader.Seek] takes.
func (l *Loader) Position() Position { return l.pos }

// Next returns the next batch. It and its buffers are valid until the next call
// of Next or Seek. Without shuffling it returns [io.EOF] after the last batch,
// until Seek. It returns at once when ctx ends, and the batch is then the first
// of the next call. An error of a sample stays until Seek.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-l.done:
		return nil, ErrClosed
	default:
	}
	if l.err != nil {
		return nil, l.err
	}
	l.lent = nil
	l.order()
	if l.open == 0 {
		return nil, io.EOF
	}
	s := l.slots[l.head]
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, ErrClosed
	}
	l.head = (l.head + 1) % len(l.slots)
	l.open--
	if s.err != nil {
		l.err = s.err
		return nil, l.err
	}
	l.lent = s
	l.pos = l.after(l.pos)
	return &s.batch, nil
}

// after returns the position one batch later.
func (l *Loader) after(p Position) Position {
	p.Step++
	if p.Step == l.steps && l.o.Shuffle {
		return Position{p.Epoch + 1, 0}
	}
	return p
}

// order hands every free slot to the workers.
func (l *Loader) order() {
	for {
		free := len(l.slots) - l.open
		if l.lent != nil {
			free--
		}
		if free == 0 || l.ahead.Step >= l.steps {
			return
		}
		s := l.slots[(l.head+l.open)%len(l.slots)]
		l.prepare(s, l.ahead)
		l.ahead = l.after(l.ahead)
		l.open++
		l.jobs <- s // never waits: there is room for all slots
	}
}

// prepare says which samples slot s gets.
func (l *Loader) prepare(s *slot, p Position) {
	if l.o.Shuffle && l.permOf != p.Epoch {
		for i := range l.perm {
			l.perm[i] = int32(i)
		}
		shuffle(l.perm, derive(l.o.Seed, uint64(p.Epoch)))
		l.permOf = p.Epoch
	}
	s.epoch, s.first, s.err = p.Epoch, p.Step*l.o.Batch, nil
	s.batch.N = min(l.o.Batch, l.n-s.first)
	for i := range s.batch.Index {
		at := s.first + i%s.batch.N
		if l.o.Shuffle {
			at = int(l.perm[at])
		}
		s.batch.Index[i] = at
	}
	l.jobNo++
	s.job = l.jobNo
}

// work fills slots until the loader is closed.
func (l *Loader) work() {
	src := rand.NewPCG(0, 0)
	rng := rand.New(src)
	for {
		select {
		case <-l.done:
			return
		case s := <-l.jobs:
			s.err = l.fill(s, src, rng)
			s.ready <- struct{}{}
		}
	}
}

// fill loads and augments the samples of a slot. It gives up between two
// samples when the job is not wanted any more.
func (l *Loader) fill(s *slot, src *rand.PCG, rng *rand.Rand) error {
	for i := range s.batch.N {
		if s.job < l.cancel.Load() || l.stop.Load() {
			return ErrClosed
		}
		x := s.x[i*l.size : (i+1)*l.size]
		y, err := l.ds.Sample(s.batch.Index[i], x)
		if err != nil {
			return fmt.Errorf("data: loading sample %d: %w", s.batch.Index[i], err)
		}
		s.y[i] = y
		if len(l.o.Augment) > 0 {
			seed := derive(derive(l.o.Seed+1, uint64(s.epoch)), uint64(s.first+i))
			src.Seed(seed, bits.Reverse64(seed))
			for _, a := range l.o.Augment {
				a.Apply(x, l.shape, rng)
			}
		}
	}
	for i := s.batch.N; i < l.o.Batch; i++ {
		from := i % s.batch.N
		copy(s.x[i*l.size:(i+1)*l.size], s.x[from*l.size:])
		s.y[i] = s.y[from]
	}
	return nil
}

// Seek makes p the position of the next batch; from there the batches are those
// that a loader which got there by Next would give, bit for bit. It also clears
// an error.
func (l *Loader) Seek(p Position) error {
	switch {
	case p.Epoch < 0 || p.Step < 0 || p.Step > l.steps:
		return fmt.Errorf("data: no position %+v with %d steps an epoch", p, l.steps)
	case !l.o.Shuffle && p.Epoch != 0:
		return fmt.Errorf("data: no epoch %d: a loader that does not shuffle has one", p.Epoch)
	case p.Step == l.steps && l.o.Shuffle:
		p = Position{p.Epoch + 1, 0}
	}
	l.cancel.Store(l.jobNo + 1)
	for ; l.open > 0; l.open-- {
		select {
		case <-l.slots[l.head].ready:
		case <-l.done:
			return ErrClosed
		}
		l.head = (l.head + 1) % len(l.slots)
	}
	l.lent, l.err = nil, nil
	l.pos, l.ahead = p, p
	l.order()
	return nil
}

// Close stops the workers and waits for them: not longer than one sample takes.
// It is safe to call it again.
func (l *Loader) Close() error {
	l.closed.Do(func() {
		l.stop.Store(true)
		close(l.done)
	})
	l.wg.Wait()
	return nil
}
