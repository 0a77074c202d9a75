package codes

import "github.com/goqat/goqat/quant"

// Largest writes the maximum of windows, channel by channel, to dst [pixels,
// channels]: of the codes at taps, offsets from the first code of each pixel of
// x, which are stride codes apart. It reports whether vectors could; if not,
// nothing is written.
func Largest[T quant.Code](dst, x []T, pixels, channels, stride int, taps []int) bool {
	if pixels < 1 || channels < 1 || len(taps) == 0 {
		return true
	}
	most := 0
	for _, t := range taps {
		most = max(most, t)
	}
	_, _, _ = dst[pixels*channels-1], x[(pixels-1)*stride+most+channels-1], taps[0]
	return largest(signed[T](), bytesOf(dst), bytesOf(x), pixels, channels, stride, taps)
}
