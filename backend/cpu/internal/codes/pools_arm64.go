//go:build arm64 && !purego

package codes

// largestInt8NEON writes the largest codes of at least 16 channels of windows
// of at least one tap.
//
//go:noescape
func largestInt8NEON(pixels, channels uintptr, x *byte, stride, taps uintptr, offsets *int, dst *byte)

// largestUint8NEON is largestInt8NEON for unsigned codes.
//
//go:noescape
func largestUint8NEON(pixels, channels uintptr, x *byte, stride, taps uintptr, offsets *int, dst *byte)

func largest(signed bool, dst, x []byte, pixels, channels, stride int, taps []int) bool {
	if !vectors() || channels < 16 {
		return false
	}
	n, c, by, count := uintptr(pixels), uintptr(channels), uintptr(stride), uintptr(len(taps))
	if signed {
		largestInt8NEON(n, c, &x[0], by, count, &taps[0], &dst[0])
	} else {
		largestUint8NEON(n, c, &x[0], by, count, &taps[0], &dst[0])
	}
	return true
}
