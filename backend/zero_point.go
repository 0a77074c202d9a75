package backend

import (
	"fmt"

	"github.com/goqat/goqat/quant"
)

// CheckInputZero returns an error, a [quant.ErrRange], unless the zero point of
// an input is a code of its type, in [lo, hi], as padding needs.
func CheckInputZero(zero, lo, hi int32) error {
	if zero < lo || zero > hi {
		return fmt.Errorf("zero point %d of the input is no code of its type: %w", zero, quant.ErrRange)
	}
	return nil
}

// CheckResultZero is [CheckInputZero] for the zero point of a result with codes
// in [lo, hi].
func CheckResultZero(zero, lo, hi int32) error {
	if zero < lo || zero > hi {
		return fmt.Errorf("zero point %d of the result is not in [%d, %d]: %w", zero, lo, hi, quant.ErrRange)
	}
	return nil
}
