package backend

// SoftmaxCrossEntropy is the mean over the rows of the cross entropy of
// softmax(logits) and the labels,
//
//	loss = mean((1-Smoothing) * -log p[label] + Smoothing * mean(-log p))
//
// PyTorch's cross_entropy with label_smoothing. Inputs: logits [..., classes],
// labels int32 [...]. Outputs: loss [], probabilities p [..., classes]. A
// label outside [0, classes) is an error ([ErrIndex]) that names the row; a
// loss that is not a number stays one.
type SoftmaxCrossEntropy struct {
	Smoothing float32
}

// OpName returns "softmax_cross_entropy".
func (SoftmaxCrossEntropy) OpName() string { return "softmax_cross_entropy" }

// SoftmaxCrossEntropyGrad is the gradient of [SoftmaxCrossEntropy] in its
// logits,
//
//	dx = dloss / rows * (p - (1-Smoothing) * [class = label] - Smoothing/classes)
//
// Inputs: dloss, probabilities, labels, which the forward pass has checked:
// one out of range is no class's.
type SoftmaxCrossEntropyGrad struct {
	Smoothing float32
}

// OpName returns "softmax_cross_entropy_grad".
func (SoftmaxCrossEntropyGrad) OpName() string { return "softmax_cross_entropy_grad" }

// Overwrites says that dx may have the storage of the probabilities.
func (SoftmaxCrossEntropyGrad) Overwrites(out int) int { return out + 1 }

// SoftmaxCrossEntropyTrain is [SoftmaxCrossEntropy] and, in the same pass, its
// gradient in the logits for a loss that is the root of what is
// differentiated,
//
//	dx = (p - (1-Smoothing) * [class = label] - Smoothing/classes) / rows
//
// Inputs: logits [..., classes], labels int32 [...]. Outputs: loss [], dx
// [..., classes]. Loss and dx have the bits that the two operations give for
// dloss = 1, and labels the same error.
type SoftmaxCrossEntropyTrain struct {
	Smoothing float32
}

// OpName returns "softmax_cross_entropy_train".
func (SoftmaxCrossEntropyTrain) OpName() string { return "softmax_cross_entropy_train" }
