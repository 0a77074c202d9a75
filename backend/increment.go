package backend

// Increment adds 1 to the last element of a counter. Input: int64 [n], n at
// least 1. Output: the counter, in place.
type Increment struct{}

// OpName returns "increment".
func (Increment) OpName() string { return "increment" }

// Updates maps the counter to its input.
func (Increment) Updates(int) int { return 0 }
