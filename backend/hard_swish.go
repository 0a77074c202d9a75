package backend

// HardSwish is y = x * min(max(x+3, 0), 6) / 6, elementwise.
type HardSwish struct{}

// OpName returns "hard_swish".
func (HardSwish) OpName() string { return "hard_swish" }

// HardSwishGrad is dx = 0 for x <= -3, dy * (2x+3)/6 for x <= 3, else dy.
// Inputs: dy, x.
type HardSwishGrad struct{}

// OpName returns "hard_swish_grad".
func (HardSwishGrad) OpName() string { return "hard_swish_grad" }
