package backend

// EMA moves an average towards a value,
//
//	average += (1-Decay) * (value - average)
//
// Inputs: average, value. Output: average, in place.
type EMA struct {
	Decay float32
}

// OpName returns "ema".
func (EMA) OpName() string { return "ema" }

// Updates maps the average to its input.
func (EMA) Updates(int) int { return 0 }
