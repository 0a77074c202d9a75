package data

import (
	"fmt"
	"math"
	"slices"
)

// splitIndex divides samples 0 to n-1 in two sorted lists. Each class gives
// fraction of its samples, rounded, to val and keeps at least one; labels is nil
// when there are no classes. Val has at least one sample.
func splitIndex(n int, labels []int32, fraction float64, seed uint64) (train, val []int32, err error) {
	if n < 2 {
		return nil, nil, fmt.Errorf("%d samples cannot be divided for training and validation", n)
	}
	if n > math.MaxInt32 {
		return nil, nil, fmt.Errorf("%d samples are over %d", n, math.MaxInt32)
	}
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	shuffle(order, seed)
	if labels != nil {
		slices.SortStableFunc(order, func(a, b int32) int { return int(labels[a]) - int(labels[b]) })
	}
	for len(order) > 0 {
		group := len(order)
		if labels != nil {
			if k := slices.IndexFunc(order, func(i int32) bool { return labels[i] != labels[order[0]] }); k > 0 {
				group = k
			}
		}
		k := min(int(math.Floor(float64(float64(group)*fraction)+0.5)), group-1)
		val = append(val, order[:k]...)
		train = append(train, order[k:group]...)
		order = order[group:]
	}
	if len(val) == 0 {
		val, train = append(val, train[0]), train[1:]
	}
	slices.Sort(train)
	slices.Sort(val)
	return train, val, nil
}

// splitOne divides ds, which has no validation part of its own, and normalizes
// it if asked. file is for messages.
func splitOne(ds normalizer, labels []int32, file string, opt *Options) (*Splits, error) {
	train, val, err := splitIndex(ds.Len(), labels, opt.ValFraction, derive(opt.Seed, 0))
	if err != nil {
		return nil, badData(file, "%w", err)
	}
	s := &Splits{Train: &subset{ds, train}, Val: &subset{ds, val}}
	if opt.Normalize {
		s.Mean, s.Std = ds.stats(train)
		ds.normalize(s.Mean, s.Std)
	}
	return s, nil
}

// splitTwo joins a training and a validation part that the data set itself has.
func splitTwo(train, val normalizer, opt *Options) *Splits {
	s := &Splits{Train: train, Val: val}
	if opt.Normalize {
		all := make([]int32, train.Len())
		for i := range all {
			all[i] = int32(i)
		}
		s.Mean, s.Std = train.stats(all)
		train.normalize(s.Mean, s.Std)
		val.normalize(s.Mean, s.Std)
	}
	return s
}

// limit returns a random subset of n samples of ds in their old order, or ds if
// it has no more than that or n is 0.
func limit(ds Dataset, n int, seed uint64) (Dataset, error) {
	if ds.Len() > math.MaxInt32 {
		return nil, fmt.Errorf("data: %w: %d samples are over %d", ErrData, ds.Len(), math.MaxInt32)
	}
	if n == 0 || ds.Len() <= n {
		return ds, nil
	}
	order := make([]int32, ds.Len())
	for i := range order {
		order[i] = int32(i)
	}
	shuffle(order, seed)
	index := slices.Clone(order[:n])
	slices.Sort(index)
	return &subset{ds, index}, nil
}
