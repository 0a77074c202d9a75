package tensorcore

import (
	"encoding/binary"
	"fmt"

	"github.com/goqat/goqat/tensor"
)

// PackedWeights returns the bytes of weights [n, k] as VPDPBUSD takes them:
// the panels of [VNNI4Panel], and after them for each row, of whole panels,
// the little-endian int32
//
//	-128 * sum over k of W[n, k]
//
// which undoes the shift of signed activations by 128 to unsigned ones. It is
// the layout of the CPU backend's packed weights.
func PackedWeights(w []int8, n, k int) ([]byte, error) {
	size, err := packedSize(n, k)
	if err != nil {
		return nil, err
	}
	if len(w) != n*k {
		return nil, fmt.Errorf("%w: %d weights for [%d, %d]", ErrLayout, len(w), n, k)
	}
	panels := make([]int8, size-4*up(n, 16))
	if err := PackBlocked(VNNI4Panel, panels, w, tensor.Shape{n, k}); err != nil {
		return nil, err
	}
	b := make([]byte, 0, size)
	for _, v := range panels {
		b = append(b, byte(v))
	}
	for o := range up(n, 16) {
		var sum int32
		if o < n {
			for _, v := range w[o*k : o*k+k] {
				sum += int32(v)
			}
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(-128*sum))
	}
	return b, nil
}

func packedSize(n, k int) (int, error) {
	size, err := VNNI4Panel.Size(tensor.Shape{n, k})
	return size + 4*up(n, 16), err
}

// UnpackWeights returns the weights [n, k] of packed bytes. It fails with
// [ErrLayout] when sums or padding are not what packing gives.
func UnpackWeights(b []byte, n, k int) ([]int8, error) {
	size, err := packedSize(n, k)
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, fmt.Errorf("%w: %d packed bytes for [%d, %d], want %d", ErrLayout, len(b), n, k, size)
	}
	panels := make([]int8, size-4*up(n, 16))
	for i := range panels {
		panels[i] = int8(b[i])
	}
	w := make([]int8, n*k)
	if err := UnpackBlocked(VNNI4Panel, w, panels, tensor.Shape{n, k}); err != nil {
		return nil, err
	}
	again, err := PackedWeights(w, n, k)
	if err != nil {
		return nil, err
	}
	for i := range again {
		if again[i] != b[i] {
			return nil, fmt.Errorf("%w: byte %d of the packed weights is %d, want %d", ErrLayout, i, b[i], again[i])
		}
	}
	return w, nil
}
