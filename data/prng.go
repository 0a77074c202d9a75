package data

import "math/bits"

// splitmix is the SplitMix64 generator (Steele, Lea, Flood 2014). Its whole
// state is one word, so each sample can have one of its own.
type splitmix uint64

const golden = 0x9e3779b97f4a7c15

// mix64 is the finalizer of SplitMix64: a bijection that spreads every bit.
func mix64(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// derive returns a seed for the i-th child of seed.
func derive(seed, i uint64) uint64 { return mix64(mix64(seed+golden) ^ (i+1)*golden) }

func (s *splitmix) next() uint64 {
	*s += golden
	return mix64(uint64(*s))
}

// below returns a number in [0, n).
func (s *splitmix) below(n int) int {
	hi, _ := bits.Mul64(s.next(), uint64(n))
	return int(hi)
}

// between returns a number in [lo, hi].
func (s *splitmix) between(lo, hi int) int { return lo + s.below(hi-lo+1) }

// chance is true in percent of 100 draws.
func (s *splitmix) chance(percent int) bool { return s.below(100) < percent }

// shuffle puts v in a random order (Fisher and Yates).
func shuffle[T any](v []T, seed uint64) {
	s := splitmix(seed)
	for i := len(v) - 1; i > 0; i-- {
		j := s.below(i + 1)
		v[i], v[j] = v[j], v[i]
	}
}
