package backend

import (
	"errors"
	"fmt"
)

// Reduction says how the values of several ranks become one.
type Reduction uint8

// The reductions.
const (
	// RanksSame: all ranks have the same value already.
	RanksSame Reduction = iota
	// RanksMean is the sum in the order of ranks, times 1/ranks.
	RanksMean
	// RanksLeast and RanksGreatest are the least and the greatest value.
	RanksLeast
	RanksGreatest
)

// String returns the reduction's name, such as "mean".
func (r Reduction) String() string {
	if names := [...]string{"none", "mean", "least", "greatest"}; int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("Reduction(%d)", uint8(r))
}

// AllReduce makes tensors the same on all ranks of a [Group]: each element
// becomes the reduction of that element on every rank. Inputs: any number of
// float tensors, the first Least reduced by [RanksLeast], the next Greatest
// by [RanksGreatest], the others by [RanksMean]. Outputs: the tensors, in
// place. All ranks run the same operations in the same order, with tensors of
// the same sizes; alone, a backend leaves them as they are.
//
// With Overlap the work may go on beside that of later operations: the
// results are there behind an [AllReduceWait] of them.
type AllReduce struct {
	Least, Greatest int
	Overlap         bool
}

// OpName returns "all_reduce".
func (AllReduce) OpName() string { return "all_reduce" }

// Updates maps each output to its input.
func (AllReduce) Updates(out int) int { return out }

// Reduction returns what becomes of input i.
func (a AllReduce) Reduction(i int) Reduction {
	switch {
	case i < a.Least:
		return RanksLeast
	case i < a.Least+a.Greatest:
		return RanksGreatest
	}
	return RanksMean
}

// AllReduceWait waits for every [AllReduce] before it. Inputs: the results of
// some. Outputs: the same, in place.
type AllReduceWait struct{}

// OpName returns "all_reduce_wait".
func (AllReduceWait) OpName() string { return "all_reduce_wait" }

// Updates maps each output to its input.
func (AllReduceWait) Updates(out int) int { return out }

// Reducer is implemented by operations that update states from the data of a
// batch. When ranks have parts of the batch, output out becomes Reduces(out)
// of all ranks, so that the states stay the same everywhere.
type Reducer interface {
	Updater
	Reduces(out int) Reduction
}

// Parter is implemented by operations that count the elements of a batch:
// Part is the operation for part i of a batch whose parts have so many
// elements each.
type Parter interface {
	Part(i, elements int) Op
}

// Rooter is implemented by operations whose output out has the factor
// 1/sqrt(elements) of input Rooted(out), -1 for none. The mean over parts of a
// batch lacks the root of the number of parts.
type Rooter interface {
	Rooted(out int) int
}

// Group is several backends that do one training together.
type Group interface {
	// Abort ends the collective operations of all ranks, those that wait and
	// those that come, with [ErrAborted] and cause. The tensors that they were
	// to reduce are undefined, and the group cannot be used any more. Only the
	// first call counts.
	Abort(cause error)
	// Close dissolves the group; operations bound on its members must not run
	// any more.
	Close() error
}

// Grouper is implemented by backends that can be members of a [Group].
type Grouper interface {
	// Group makes ranks, of which this backend is the first, members of a
	// group. Only what is bound later takes part in it.
	Group(ranks []Backend) (Group, error)
}

// ErrAborted means that another rank of the group has failed.
var ErrAborted = errors.New("collective operation aborted")

// Join makes backends of one kind the ranks of a group.
func Join(ranks ...Backend) (Group, error) {
	if len(ranks) == 0 {
		return nil, errors.New("backend: a group needs at least one backend")
	}
	g, ok := ranks[0].(Grouper)
	if !ok {
		return nil, fmt.Errorf("backend: %s cannot share a training with others: %w", ranks[0].Name(), ErrUnsupported)
	}
	return g.Group(ranks)
}
