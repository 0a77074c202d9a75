package nn

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Forward applies the block.
func (l Residual) Forward(b *Builder, x graph.Value) graph.Value {
	var y graph.Value
	s := x
	b.G.Scope("body", func() { y = l.Body.Forward(b, x) })
	if l.Shortcut != nil {
		b.G.Scope("shortcut", func() { s = l.Shortcut.Forward(b, x) })
	}
	y = first(b.G.ApplyNamed("add", backend.Add{}, y, s))
	if l.After != nil {
		y = l.After.Forward(b, y)
	}
	return y
}

func first(v []graph.Value) graph.Value {
	if len(v) == 0 {
		return graph.Value{}
	}
	return v[0]
}

// Conv2D convolves [batch, height, width, in] to [batch, height', width',
// Out]. Pad is on all four sides; Same pads as TensorFlow does instead, so
// that height' = ceil(height / Stride). Groups = in makes it depthwise.
type Conv2D struct {
	Out, Kernel, Stride, Pad, Dilation, Groups int
	// KernelW, when not 0, is the width of the kernel, Kernel its height;
	// StrideW and PadW likewise.
	KernelW, StrideW, PadW int
	Same, NoBias           bool
	// Depthwise convolves each channel by itself; Out may be 0.
	Depthwise bool
	Init      Init // HeNormal when nil
	Name      string
}

// Forward appends the convolution.
func (l Conv2D) Forward(b *Builder, x graph.Value) graph.Value {
	s := x.Shape()
	if b.G.Err() != nil {
		return graph.Value{}
	}
	if len(s) != 4 {
		return b.G.Fail(fmt.Errorf("nn: Conv2D needs [batch, height, width, channels], have %v", s))
	}
	kh, kw := l.Kernel, or(l.KernelW, l.Kernel)
	sh := or(l.Stride, 1)
	sw := or(l.StrideW, sh)
	d := or(l.Dilation, 1)
	groups, out := or(l.Groups, 1), l.Out
	if l.Depthwise {
		groups = s[3]
		out = or(out, s[3])
	}
	if kh < 1 || kw < 1 || out < 1 || groups < 1 || s[3]%groups != 0 || out%groups != 0 {
		return b.G.Fail(fmt.Errorf("nn: Conv2D of %d channels to %d in %d groups with kernel %dx%d", s[3], out, groups, kh, kw))
	}
	pw := l.PadW
	if l.KernelW == 0 && pw == 0 {
		pw = l.Pad
	}
	op := backend.Conv{Window: backend.Window{Stride: [2]int{sh, sw}, Dilation: [2]int{d, d}, Pad: [4]int{l.Pad, pw, l.Pad, pw}}, Groups: groups}
	if l.Same {
		t, bt := samePad(s[1], (kh-1)*d+1, sh)
		lf, r := samePad(s[2], (kw-1)*d+1, sw)
		op.Pad = [4]int{t, lf, bt, r}
	}
	init := l.Init
	if init == nil {
		init = HeNormal
	}
	var y graph.Value
	b.G.Scope(orName(l.Name, "conv"), func() {
		in := []graph.Value{x, b.Param("weight", init, kh*kw*s[3]/groups, kh*kw*out/groups, out, kh, kw, s[3]/groups)}
		if !l.NoBias {
			in = append(in, b.Param("bias", Zeros, 1, 1, out))
		}
		y = first(b.G.ApplyNamed("out", op, in...))
	})
	return y
}

func samePad(in, kernel, stride int) (before, after int) {
	out := (in + stride - 1) / stride
	p := max((out-1)*stride+kernel-in, 0)
	return p / 2, p - p/2
}

func or(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}

func orName(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// Conv1D convolves [batch, length, in] to [batch, length', Out].
type Conv1D struct {
	Out, Kernel, Stride, Pad, Dilation, Groups int
	NoBias                                     bool
	Init                                       Init
}

// Forward appends the convolution.
func (l Conv1D) Forward(b *Builder, x graph.Value) graph.Value {
	s := x.Shape()
	if b.G.Err() != nil {
		return graph.Value{}
	}
	groups := or(l.Groups, 1)
	if len(s) != 3 || l.Kernel < 1 || l.Out < 1 || s[2]%groups != 0 || l.Out%groups != 0 {
		return b.G.Fail(fmt.Errorf("nn: Conv1D of %v to %d channels in %d groups with kernel %d", s, l.Out, groups, l.Kernel))
	}
	st, d := or(l.Stride, 1), or(l.Dilation, 1)
	op := backend.Conv{Window: backend.Window{Stride: [2]int{1, st}, Dilation: [2]int{1, d}, Pad: [4]int{0, l.Pad, 0, l.Pad}}, Groups: groups}
	init := l.Init
	if init == nil {
		init = HeNormal
	}
	var y graph.Value
	b.G.Scope("conv", func() {
		in := []graph.Value{x, b.Param("weight", init, l.Kernel*s[2]/groups, l.Kernel*l.Out/groups, l.Out, l.Kernel, s[2]/groups)}
		if !l.NoBias {
			in = append(in, b.Param("bias", Zeros, 1, 1, l.Out))
		}
		y = first(b.G.ApplyNamed("out", op, in...))
	})
	return y
}

// Linear is y = x Wᵀ + b on the last dimension, W [Out, in].
type Linear struct {
	Out    int
	NoBias bool
	// Init is that of the weights, and the bias begins at 0; when it is nil
	// both are LeCunUniform, as in PyTorch.
	Init Init
	Name string
}

// Forward appends the layer.
func (l Linear) Forward(b *Builder, x graph.Value) graph.Value {
	if b.G.Err() != nil {
		return graph.Value{}
	}
	in := x.Shape().Last()
	if len(x.Shape()) < 2 || l.Out < 1 {
		return b.G.Fail(fmt.Errorf("nn: Linear to %d outputs needs [batch, ..., in], have %v", l.Out, x.Shape()))
	}
	init, bias := l.Init, Init(Zeros)
	if init == nil {
		init, bias = LeCunUniform, LeCunUniform
	}
	var y graph.Value
	b.G.Scope(orName(l.Name, "linear"), func() {
		args := []graph.Value{x, b.Param("weight", init, in, l.Out, l.Out, in)}
		if !l.NoBias {
			args = append(args, b.Param("bias", bias, in, l.Out, l.Out))
		}
		y = first(b.G.ApplyNamed("out", backend.Gemm{}, args...))
	})
	return y
}

// BatchNorm normalizes the last dimension over all others. Zero fields mean
// Eps 1e-5 and Momentum 0.1, PyTorch's.
type BatchNorm struct {
	Eps, Momentum float32
}

// Forward appends the layer.
func (l BatchNorm) Forward(b *Builder, x graph.Value) graph.Value {
	if b.G.Err() != nil {
		return graph.Value{}
	}
	c := x.Shape().Last()
	op := backend.BatchNorm{Eps: l.Eps, Momentum: l.Momentum}
	if op.Eps == 0 {
		op.Eps = 1e-5
	}
	if op.Momentum == 0 {
		op.Momentum = 0.1
	}
	var y graph.Value
	b.G.Scope("bn", func() {
		y = first(b.G.ApplyNamed("out", op, x, b.Param("gamma", Ones, 1, 1, c), b.Param("beta", Zeros, 1, 1, c),
			b.State("mean", Zeros, c), b.State("variance", Ones, c)))
	})
	return y
}

// LayerNorm normalizes each vector of the last dimension. Zero Eps means 1e-5.
type LayerNorm struct {
	Eps float32
}

// Forward appends the layer.
func (l LayerNorm) Forward(b *Builder, x graph.Value) graph.Value {
	if b.G.Err() != nil {
		return graph.Value{}
	}
	c := x.Shape().Last()
	op := backend.LayerNorm{Eps: l.Eps}
	if op.Eps == 0 {
		op.Eps = 1e-5
	}
	var y graph.Value
	b.G.Scope("ln", func() {
		y = first(b.G.ApplyNamed("out", op, x, b.Param("gamma", Ones, 1, 1, c), b.Param("beta", Zeros, 1, 1, c)))
	})
	return y
}

// Apply appends one operation without parameters.
type Apply struct {
	Op backend.Op
}

// Forward appends the operation.
func (l Apply) Forward(b *Builder, x graph.Value) graph.Value { return b.G.Apply(l.Op, x) }

// ReLU is max(x, 0).
type ReLU struct{}

// Forward appends the activation.
func (ReLU) Forward(b *Builder, x graph.Value) graph.Value { return b.G.Apply(backend.Relu{}, x) }

// ReLU6 is min(max(x, 0), 6).
type ReLU6 struct{}

// Forward appends the activation.
func (ReLU6) Forward(b *Builder, x graph.Value) graph.Value {
	return b.G.Apply(backend.Clip{Lo: 0, Hi: 6}, x)
}

// MaxPool takes the maximum of each window; Stride 0 means Kernel.
type MaxPool struct{ Kernel, Stride, Pad int }

// Forward appends the pool.
func (l MaxPool) Forward(b *Builder, x graph.Value) graph.Value {
	return b.G.Apply(backend.MaxPool{Window: window(l.Kernel, l.Stride, l.Pad), Kernel: [2]int{l.Kernel, l.Kernel}}, x)
}

// AvgPool takes the mean of each window; Stride 0 means Kernel.
type AvgPool struct{ Kernel, Stride, Pad int }

// Forward appends the pool.
func (l AvgPool) Forward(b *Builder, x graph.Value) graph.Value {
	return b.G.Apply(backend.AveragePool{Window: window(l.Kernel, l.Stride, l.Pad), Kernel: [2]int{l.Kernel, l.Kernel}}, x)
}

func window(kernel, stride, pad int) backend.Window {
	s := or(stride, kernel)
	return backend.Window{Stride: [2]int{s, s}, Dilation: [2]int{1, 1}, Pad: [4]int{pad, pad, pad, pad}}
}

// GlobalAvgPool takes the mean over height and width: [batch, channels].
type GlobalAvgPool struct{}

// Forward appends the pool.
func (GlobalAvgPool) Forward(b *Builder, x graph.Value) graph.Value {
	return b.G.Apply(backend.GlobalAveragePool{}, x)
}

// Flatten joins all dimensions but the batch.
type Flatten struct{}

// Forward appends the reshape.
func (Flatten) Forward(b *Builder, x graph.Value) graph.Value {
	if len(x.Shape()) == 2 {
		return x
	}
	return b.G.Apply(backend.Flatten{}, x)
}

// Dropout zeroes each element with probability P in training and scales the
// others by 1/(1-P).
type Dropout struct{ P float32 }

// Forward appends the layer.
func (l Dropout) Forward(b *Builder, x graph.Value) graph.Value {
	if b.G.Err() != nil {
		return graph.Value{}
	}
	var y graph.Value
	b.G.Scope("dropout", func() {
		seed := tensor.New(tensor.Of(tensor.I64, 2))
		// Dropouts of one shape must not share their masks.
		seed.I64()[0] = int64(b.Seed ^ nameHash(b.G.Name("seed")))
		y = first(b.G.ApplyNamed("out", backend.Dropout{P: l.P}, x, b.G.State("seed", seed)))
	})
	return y
}
