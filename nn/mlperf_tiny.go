package nn

// tinyBN is the batch normalization of the MLPerf Tiny models, with the
// epsilon of Keras.
var tinyBN = BatchNorm{Eps: 1e-3}

// tinyConv is convolution, batch normalization and ReLU as MLPerf Tiny has
// them: padded as TensorFlow pads, and with a bias before the normalization,
// which adds nothing but counts among the published parameters.
func tinyConv(c Conv2D) Layer {
	c.Same = true
	return Sequential{c, tinyBN, ReLU{}}
}

// tinySeparable is a depthwise 3x3 convolution of the given stride and a 1x1
// convolution to out channels.
func tinySeparable(out, stride int) Layer {
	return Sequential{
		Named{"depthwise", tinyConv(Conv2D{Depthwise: true, Kernel: 3, Stride: stride})},
		Named{"pointwise", tinyConv(Conv2D{Out: out, Kernel: 1})},
	}
}
