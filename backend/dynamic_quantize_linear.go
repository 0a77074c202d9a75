package backend

// DynamicQuantizeLinear quantizes a tensor to uint8 by its own range, as the
// ONNX operator does: scale and zero point of [min(x, 0), max(x, 0)] by
// quant.ONNX, then quantize_linear. Input: x. Outputs: codes uint8, scale
// float32 [1], zero int32 [1]. A NaN in x is [ErrNaN], an infinity
// quant.ErrRange.
type DynamicQuantizeLinear struct{}

// OpName returns "dynamic_quantize_linear".
func (DynamicQuantizeLinear) OpName() string { return "dynamic_quantize_linear" }
