// Package quant has the arithmetic of quantization and is the only place that
// has any: how a scale and a zero point come from a range, how a value becomes
// a code, how an int32 accumulator becomes the next layer's code, and the
// gradients that go with them. Training, the integer graph, every exporter and
// the tests call these functions, so that they agree bit for bit.
//
// A code q stands for the real number
//
//	real = scale * (q - zero)
//
// A [Scheme] says which integers there are and how many scales; a [Rule] says
// how numbers are rounded on the way. Codes are stored as int8 (signed) or
// uint8 (unsigned) whatever the number of bits. Masks hold one bit an element,
// lowest bit first, as tensor.B1 does.
//
// # Slice functions
//
// Functions on slices work on elements [from, to) of the whole array, so that
// a kernel can cut its work into tiles. from must be a multiple of 8, and to
// a multiple of 8 or the end of the array, for then every tile writes whole
// mask bytes and tiles may run in parallel. The result does not depend on how
// the array is cut. Slices must hold at least to elements (masks (to+7)/8
// bytes); parameters one entry a channel of the [Layout]. They allocate
// nothing and check nothing but the bounds of the slices. A zero point must
// lie in [lo, hi].
//
// # NaN
//
// A NaN is never a code of its own. It becomes the code of zero, its mask bit
// is 0, and the slice functions return how many they met, so that the caller
// can report an error that names the tensor.
package quant
