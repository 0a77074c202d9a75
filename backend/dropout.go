package backend

// Dropout sets elements to 0 with probability P in training and divides the
// others by 1-P; elsewhere it is the identity. Inputs: x, a state int64 [2]
// that holds the seed and the number of steps done. In training a program
// runs [DropoutTrain], in evaluation nothing.
type Dropout struct {
	P float32
}

// OpName returns "dropout".
func (Dropout) OpName() string { return "dropout" }

// DropoutTrain is [Dropout] in training. Inputs: x, the state {seed, step}.
// Outputs: y, and the state with step+1 (in place). The mask is a function of
// seed, step and the element's index alone:
//
//	key  = mix(mix(seed) + step)
//	word = mix(key + (index/2 + 1) * 0x9e3779b97f4a7c15)
//	keep = (word >> (32 * (index%2))) mod 2^32 >= P * 2^32
//	y    = x * (1/(1-P) if keep, else 0)
//
// in uint64 arithmetic, with mix the finalizer of SplitMix64 (Steele, Lea and
// Flood, 2014). [DropoutGrad] computes it again instead of keeping it.
type DropoutTrain struct {
	P float32
	// First is added to the indices: x is that part of a larger tensor. It is
	// even.
	First int64
}

// OpName returns "dropout_train".
func (DropoutTrain) OpName() string { return "dropout_train" }

// Updates maps output 1 to input 1.
func (DropoutTrain) Updates(out int) int {
	if out == 1 {
		return 1
	}
	return -1
}

// Part returns the operation for part i of a batch whose parts have so many
// elements, an odd number counted as the next even one.
func (d DropoutTrain) Part(i, elements int) Op {
	d.First = int64(i) * int64((elements+1)/2*2)
	return d
}

// Reduces says that the state is the same on all ranks.
func (DropoutTrain) Reduces(int) Reduction { return RanksSame }

// DropoutGrad applies the mask of the step before to dy. Inputs: dy, the
// state after [DropoutTrain].
type DropoutGrad struct {
	P     float32
	First int64
}

// OpName returns "dropout_grad".
func (DropoutGrad) OpName() string { return "dropout_grad" }
