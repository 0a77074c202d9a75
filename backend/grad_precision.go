package backend

import (
	"errors"
	"fmt"
	"strings"
)

// GradPrecision says to what the gradient of a result may be rounded in the
// products of the backward pass whose other operand is codes. The codes are
// exact in all of them, sums are float32, and a backend may always compute
// more precisely: one without the instructions uses float32.
type GradPrecision uint8

const (
	// GradF32 keeps float32.
	GradF32 GradPrecision = iota
	// GradBF16x2 splits each number in two bfloat16, a relative error of 2^-16.
	GradBF16x2
	// GradBF16 rounds to bfloat16, a relative error of 2^-8.
	GradBF16
)

var gradPrecisions = []string{"fp32", "bf16x2", "bf16"}

// ErrGradPrecision is wrapped by the error about an unknown name.
var ErrGradPrecision = errors.New("backend: unknown gradient precision")

// String returns "fp32", "bf16x2" or "bf16".
func (p GradPrecision) String() string {
	if int(p) < len(gradPrecisions) {
		return gradPrecisions[p]
	}
	return fmt.Sprintf("GradPrecision(%d)", uint8(p))
}

// ParseGradPrecision returns the precision of a name that String returns.
func ParseGradPrecision(name string) (GradPrecision, error) {
	for i, n := range gradPrecisions {
		if n == name {
			return GradPrecision(i), nil
		}
	}
	return 0, fmt.Errorf("%w %q: have %s", ErrGradPrecision, name, strings.Join(gradPrecisions, ", "))
}
