"""PyTorch's figures: quantizers, matrix products, training steps."""

import warnings

import protocol

VALUES, SIDE, BATCH = 16 << 20, 4096, 128
NAMES = (
    ["copy", "fakequant-observe/per-tensor/16Mi", "fakequant/per-channel/4096x4096", "lsq/16Mi"]
    + [f"gemm/s8/{n}" for n in (1024, 2048)]
    + [f"gemm/f32/{n}/{form}" for n in (512, 1024, 2048) for form in ("nn", "nt", "tn")]
    + [f"step/{model}/{kind}/b{BATCH}" for model in ("cnn", "mlp") for kind in ("float", "qat")]
)


def load():
    warnings.filterwarnings("ignore")
    import torch
    import torch.ao.quantization as quantization
    from torch import nn

    def hello():
        facts = {"torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}
        try:
            facts["amx"] = bool(torch.cpu._is_amx_tile_supported())
        except AttributeError:
            pass
        return facts

    def copy():
        x = torch.randn(VALUES)
        y = torch.empty_like(x)
        return (lambda: y.copy_(x)), "copy_"

    def observe():
        x = torch.randn(VALUES)
        on = torch.ones(1, dtype=torch.int64)
        low, high = torch.tensor([float("inf")]), torch.tensor([float("-inf")])
        scale, zero = torch.ones(1), torch.zeros(1, dtype=torch.int32)

        def run():
            torch.fused_moving_avg_obs_fake_quant(
                x, on, on, low, high, scale, zero, 0.01, -128, 127, -1, False, False
            )

        return run, "fused_moving_avg_obs_fake_quant"

    def per_channel():
        x = torch.randn(SIDE, SIDE)
        scale, zero = torch.full((SIDE,), 0.02), torch.zeros(SIDE, dtype=torch.int32)
        return (
            lambda: torch.fake_quantize_per_channel_affine(x, scale, zero, 0, -127, 127)
        ), "fake_quantize_per_channel_affine"

    def lsq():
        x = torch.randn(VALUES, requires_grad=True)
        scale = torch.tensor([0.02], requires_grad=True)
        zero, dy = torch.zeros(1), torch.randn(VALUES)
        factor = 1 / (VALUES * 127) ** 0.5

        def run():
            x.grad = scale.grad = None
            torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, -128, 127, factor).backward(dy)

        return run, "_fake_quantize_learnable_per_tensor_affine, forward and backward"

    def codes(n):
        a, b = (torch.randint(-128, 128, (n, n), dtype=torch.int8) for _ in range(2))
        out = torch.empty(n, n, dtype=torch.int32)
        # Of the two layouts of the weights, PyTorch's faster one.
        best = None
        for layout, w in (("as stored", b), ("transposed", b.t().contiguous().t())):
            run = lambda w=w: torch._int_mm(a, w, out=out)
            took = min(protocol.measure(run, {"warmup": 2, "min_ms": 0, "min_runs": 3, "max_runs": 3}))
            if best is None or took < best[0]:
                best = took, run, layout
        return best[1], "_int_mm, weights " + best[2]

    def product(n, form):
        a, b, out = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
        a = a.t() if form[0] == "t" else a
        b = b.t() if form[1] == "t" else b
        return (lambda: torch.mm(a, b, out=out)), "mm"

    def block(inputs, outputs, stride):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    class Model(nn.Module):
        """Layers between the stubs that torch.ao wants."""

        def __init__(self, *layers):
            super().__init__()
            self.quant, self.layers, self.dequant = (
                quantization.QuantStub(),
                nn.Sequential(*layers),
                quantization.DeQuantStub(),
            )

        def forward(self, x):
            return self.dequant(self.layers(self.quant(x)))

    def cnn():
        m = Model(
            block(1, 16, 1), block(16, 32, 2), block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
        )
        return m, [[f"layers.{i}.{j}" for j in range(3)] for i in range(3)]

    def mlp():
        m = Model(
            nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
        )
        return m, [["layers.1", "layers.2"], ["layers.3", "layers.4"]]

    def step(build, quantized):
        model, fuse = build()
        model.train()
        if quantized:
            quantization.fuse_modules_qat(model, fuse, inplace=True)
            model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
            quantization.prepare_qat(model, inplace=True)
        sgd = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        batches = [(torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))) for _ in range(4)]
        turn = 0

        def run():
            nonlocal turn
            x, y = batches[turn % len(batches)]
            turn += 1
            sgd.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            sgd.step()

        return run, "eager, fbgemm QAT configuration" if quantized else "eager"

    makers = {
        "copy": copy,
        "fakequant-observe/per-tensor/16Mi": observe,
        "fakequant/per-channel/4096x4096": per_channel,
        "lsq/16Mi": lsq,
    }
    for n in (1024, 2048):
        makers[f"gemm/s8/{n}"] = lambda n=n: codes(n)
    for n in (512, 1024, 2048):
        for form in ("nn", "nt", "tn"):
            makers[f"gemm/f32/{n}/{form}"] = lambda n=n, form=form: product(n, form)
    for name, build in (("cnn", cnn), ("mlp", mlp)):
        for kind in ("float", "qat"):
            makers[f"step/{name}/{kind}/b{BATCH}"] = lambda build=build, kind=kind: step(build, kind == "qat")

    def figure(make):
        def prepare(threads):
            torch.set_num_threads(threads)
            return make()

        return prepare

    return hello, {name: figure(makers[name]) for name in NAMES}


if __name__ == "__main__":
    protocol.main(NAMES, load)
