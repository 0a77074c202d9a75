package backend

// SumOrder is how a float product adds up the products that make one result,
// a sum of Length terms in the order of k. It depends on shapes alone, and every
// device with fused multiply-add follows it, so that float32 products have the
// same bits on all of them:
//
//   - Terms are cut into blocks: Depth terms each, counted anew from every
//     multiple of Period, so that the last block before one may be shorter.
//   - A block is one running sum from 0: s = fma(a, b, s), k ascending. Codes
//     are made numbers first, float32(code-zero) times scale, rounded once; of a
//     weight with a scale a channel too.
//   - Blocks are cut into parts of Part blocks. A part is its first block,
//     plus the second, plus the third, each sum rounded; the result is the
//     first part, plus the second, plus the third.
//   - What the product is added to, a bias, comes before the first block where
//     there is one part: (bias + block) + block; and after the last part where
//     there are more.
//
// Terms outside of an image are 0: whether they are multiplied or left out is
// the same.
//
// Depthwise convolutions are different: products are rounded before they are
// added, as few registers' worth of sums makes them bound by memory in any
// case. A result starts from the bias or 0 and adds its taps in the order of
// [kh, kw]; of the input's gradient, with several outputs a channel, each tap is
// a sum over these of its own. The gradient of the weight is cut by
// [DepthwiseLines].
//
// Processors without fused multiply-add round each product before they add
// it, and have other bits. Products of bfloat16 have an order of their own.
type SumOrder struct {
	Length, Depth, Period, Part int
}

// Sizes of blocks, in terms, and of parts, in blocks.
const (
	// A block of B of so many rows stays in a first-level cache.
	sumDepth = 320
	// Long sums of small results are cut into parts, for workers to share:
	// those of more terms, and of so many times more than rows and columns.
	longSum      = 4096
	longRatio    = 16
	longRows     = 1024
	partTerms    = 1024
	mostParts    = 32
	partElements = 4 << 20
	partResults  = 512 << 10
	// Of the gradient of a convolution's weight.
	gradTerms   = 512
	gradParts   = 16
	gradResults = 128 << 10
	// Of a depthwise one's.
	depthwiseTerms = 512
	depthwiseParts = 64
)

// ProductOrder is the order of a product of matrices, [m,k] times [k,n]: of
// [Gemm] and its gradients, of [MatMul] with m the rows of all results, and of
// a pointwise [Conv] and its gradients, which are products of the pixels as
// they lie and the weights: one tap, one group, no stride and no padding.
func ProductOrder(m, n, k int) SumOrder {
	if k <= 0 || m <= 0 || n <= 0 {
		return OneSum(k)
	}
	depth := min((ceilDiv(k, ceilDiv(k, sumDepth))+15)&^15, k)
	o := SumOrder{Length: k, Depth: depth, Period: k, Part: ceilDiv(k, depth)}
	if m <= longRows && m*n <= partResults && k >= max(longSum, longRatio*m, longRatio*n) {
		parts := min(mostParts, ceilDiv(k, partTerms), partElements/(m*n))
		o.Part = ceilDiv(ceilDiv(k, parts), depth)
	}
	return o
}

// OneSum is the order of a sum in one block: of a [Conv] that is not
// pointwise, over [kh, kw, channels], and of [ConvGradInput], over
// [kh, kw, out channels].
func OneSum(k int) SumOrder {
	k = max(k, 0)
	return SumOrder{Length: k, Depth: max(k, 1), Period: max(k, 1), Part: 1}
}

// WeightGradOrder is the order of [ConvGradWeight], a sum over the positions
// [images, high, wide] of the output, when the weight has size elements and
// the convolution is not pointwise: blocks are whole images, or else lines of
// one, or else pieces of a line.
func WeightGradOrder(images, high, wide, size int) SumOrder {
	o := SumOrder{Length: images * high * wide}
	if o.Length == 0 {
		return OneSum(0)
	}
	image := high * wide
	switch {
	case image <= gradTerms:
		o.Depth, o.Period = min(gradTerms/image, images)*image, o.Length
	case wide <= gradTerms:
		o.Depth, o.Period = ceilDiv(high, ceilDiv(high, gradTerms/wide))*wide, image
	default:
		o.Depth, o.Period = ceilDiv(wide, ceilDiv(wide, gradTerms)), wide
	}
	o.Part = o.Blocks()
	if size <= gradResults {
		o.Part = ceilDiv(o.Part, gradParts)
	}
	return o
}

// DepthwiseLines is how many lines of the output, of all images, a part of
// the gradient of a depthwise convolution's weight has, when there are lines
// of wide positions. A part starts from 0 and adds, for every tap, the rounded
// products of its positions in their order; the result is the first part, plus
// the second, plus the third.
func DepthwiseLines(lines, wide int) int {
	return max(ceilDiv(lines, depthwiseParts), min(ceilDiv(depthwiseTerms, max(wide, 1)), lines), 1)
}

// Blocks returns the number of blocks.
func (o SumOrder) Blocks() int {
	if o.Length == 0 {
		return 0
	}
	whole, rest := o.Length/o.Period, o.Length%o.Period
	return whole*ceilDiv(o.Period, o.Depth) + ceilDiv(rest, o.Depth)
}

// Parts returns the number of parts.
func (o SumOrder) Parts() int { return ceilDiv(o.Blocks(), o.Part) }

// Whole returns the order with all blocks in one part.
func (o SumOrder) Whole() SumOrder {
	o.Part = max(o.Blocks(), 1)
	return o
}

// Start returns the first term of a block, Length for those behind the last.
func (o SumOrder) Start(block int) int {
	each := ceilDiv(o.Period, o.Depth)
	return min(block/each*o.Period+block%each*o.Depth, o.Length)
}

func ceilDiv(n, d int) int { return (n + d - 1) / d }
