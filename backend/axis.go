package backend

import "fmt"

// Axis returns axis counted from the front; a negative one counts from the
// end. It fails when there is no such axis.
func Axis(axis, rank int) (int, error) {
	if axis < -rank || axis >= rank {
		return 0, fmt.Errorf("backend: axis %d of a tensor of rank %d", axis, rank)
	}
	if axis < 0 {
		axis += rank
	}
	return axis, nil
}
