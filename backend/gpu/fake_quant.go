//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.FakeQuant{}, kernel{module: "fake_quant", types: halves, bind: bindFakeQuant})
	register(backend.STEGrad{}, kernel{module: "fake_quant", types: halves, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n := in[0].numel()
		return k.launch(ofReals("ste_grad", in[0]), k.elementwise(n), out[0], in[0], in[1], int64(n))
	}})
}

func bindFakeQuant(k *build, op backend.Op, out, in []*Buffer) error {
	o := op.(backend.FakeQuant)
	q, err := newQuantizer(o.Rule, o.Scheme, in[0].spec.Shape)
	if err != nil {
		return err
	}
	nan, err := k.nanFlag()
	if err != nil {
		return err
	}
	return k.launch(ofReals("fake_quant", in[0]), k.elementwise(q.n), out[0], out[1], in[0], in[1], in[2], int64(q.n),
		int32(q.layout.Channels), int64(q.layout.Inner), q.rule, q.lo, q.hi, nan)
}
