package backend

// Log is y = ln(x), elementwise: -Inf at 0, NaN below.
type Log struct{}

// OpName returns "log".
func (Log) OpName() string { return "log" }
