package onnx

// layoutClass says what an operation does with the layout of its data.
type layoutClass uint8

const (
	// layoutNative takes tensors as they are written down.
	layoutNative layoutClass = iota
	// layoutSpatial takes its first input as an image: channels first in
	// ONNX, channels last in goqat.
	layoutSpatial
	// layoutFollow works on either layout.
	layoutFollow
	// layoutFlatten joins all dimensions but the first.
	layoutFlatten
	// layoutMatrix multiplies its first input with a constant matrix, whose
	// columns can be permuted instead of the input's.
	layoutMatrix
	// layoutDims looks at dimensions only.
	layoutDims
)

// use is a node as the choice of layouts sees it; values are numbers, -1 for
// constants.
type use struct {
	class   layoutClass
	in, out []int
}

// wish says how much the users of a value want it to be an image.
type wish int8

const (
	wishUnset wish = iota
	wishNo
	wishWeak // only to be flattened before a matrix
	wishStrong
)

func (w *wish) add(x wish) {
	switch {
	case x == wishUnset:
	case *w == wishNo || x == wishNo:
		*w = wishNo
	default:
		*w = max(*w, x)
	}
}

// imageWishes returns, for each of n values, whether all its users want an
// image, and whether all of them take a flattened image in either order.
// Nodes are in execution order.
func imageWishes(n int, nodes []use) (image, flat []wish) {
	image, flat = make([]wish, n), make([]wish, n)
	for i := len(nodes) - 1; i >= 0; i-- {
		u := nodes[i]
		var outImage, outFlat wish
		for _, o := range u.out[:min(len(u.out), 1)] {
			if o >= 0 {
				outImage, outFlat = image[o], flat[o]
			}
		}
		if u.class == layoutDims {
			continue
		}
		for k, v := range u.in {
			if v < 0 {
				continue
			}
			im, fl := wishNo, wishNo
			switch {
			case u.class == layoutFollow:
				im, fl = outImage, outFlat
			case u.class == layoutSpatial && k == 0:
				im = wishStrong
			case u.class == layoutFlatten && k == 0 && outFlat > wishNo:
				im = wishWeak
			case u.class == layoutMatrix && k == 0:
				fl = wishWeak
			}
			image[v].add(im)
			flat[v].add(fl)
		}
	}
	return image, flat
}

// isImage reports whether an input of this rank with these wishes is an
// image or, at rank 3, a sequence with channels.
func (w wish) isImage(rank int) bool {
	return rank == 4 && w >= wishWeak || rank == 3 && w == wishStrong
}
