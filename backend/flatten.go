package backend

// Flatten joins all dimensions but the first: [n, ...] becomes [n, m]. It
// keeps the bytes.
type Flatten struct{}

// OpName returns "flatten".
func (Flatten) OpName() string { return "flatten" }

// View marks the output as the input's bytes.
func (Flatten) View() {}
