package backend

import (
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// Transpose permutes the dimensions: dimension i of the output is dimension
// Perm[i] of the input. It takes any element type of whole bytes.
type Transpose struct {
	Perm tensor.Dims
}

// OpName returns "transpose".
func (Transpose) OpName() string { return "transpose" }

// Check returns an error unless Perm is a permutation of rank dimensions.
func (t Transpose) Check(rank int) error {
	seen := [tensor.MaxRank]bool{}
	ok := t.Perm.N == rank
	for _, p := range t.Perm.V[:t.Perm.N] {
		if p < 0 || p >= t.Perm.N || seen[p] {
			ok = false
			break
		}
		seen[p] = true
	}
	if !ok {
		return fmt.Errorf("backend: %v is not a permutation of %d dimensions", t.Perm, rank)
	}
	return nil
}

// Inverse returns the permutation that undoes t.
func (t Transpose) Inverse() Transpose {
	inv := Transpose{tensor.Dims{N: t.Perm.N}}
	for i, p := range t.Perm.V[:t.Perm.N] {
		inv.Perm.V[p] = i
	}
	return inv
}
