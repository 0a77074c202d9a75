"""PyTorch's figures for scripts/gpu-check.sh: torch_rivals.py OUT.json

Eager, torch.compile with CUDA graphs, torchao INT8 and float8. Each figure is
written when it is there, so that a time limit keeps those before. Exit code 77:
no torch, or no device for it; the last line says why.
"""

import json
import statistics
import sys

rivals, missing = [], []


def save():
    with open(sys.argv[1], "w") as f:
        json.dump({"rivals": rivals, "missing": missing}, f, indent=1)


def leave(why):
    print(why)
    sys.exit(77)


try:
    import torch
except ImportError as e:
    leave(f"no torch: {e}")
if not torch.cuda.is_available():
    leave(f"torch {torch.__version__} has no CUDA device")

import torch.nn.functional as F

torch.manual_seed(1)
flush = torch.empty(torch.cuda.get_device_properties(0).L2_cache_size, dtype=torch.uint8, device="cuda")


def sample(f):
    """Cold: the L2 cache is flushed by a memset of its size."""
    flush.zero_()
    a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    a.record()
    f()
    b.record()
    torch.cuda.synchronize()
    return a.elapsed_time(b) * 1e6


def measure(name, make, least=10, most=100):
    """make returns what to run; a failure is noted, and the next goes on."""
    try:
        f = make()
        for _ in range(5):
            f()
        torch.cuda.synchronize()
        ts = []
        while len(ts) < most:
            ts.append(sample(f))
            if len(ts) >= least and statistics.stdev(ts) <= 0.005 * statistics.mean(ts):
                break
        rivals.append({"name": name, "median_ns": statistics.median(ts), "samples_ns": ts})
        print(name, statistics.median(ts) / 1e6, "ms")
    except Exception as e:
        missing.append({"name": "PyTorch: " + name, "why": f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"[:300]})
        print(name, "failed:", e)
    save()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def fake_quant(n):
    x = torch.randn(n, device="cuda")
    return lambda: torch.fake_quantize_per_tensor_affine(x, 0.02, 0, -128, 127)


def lsq(n):
    x = torch.randn(n, device="cuda", requires_grad=True)
    s = torch.tensor([0.02], device="cuda", requires_grad=True)
    z = torch.zeros(1, device="cuda")
    y = torch._fake_quantize_learnable_per_tensor_affine(x, s, z, -128, 127, 1.0)
    dy = torch.randn(n, device="cuda")

    def run():
        torch.autograd.grad(y, (x, s), dy, retain_graph=True)

    return run


def bf16_product(n):
    a, b = (torch.randn(n, n, device="cuda", dtype=torch.bfloat16) for _ in "ab")
    return lambda: a @ b.t()


def int8_product(n):
    a, b = (torch.randint(-128, 128, (n, n), device="cuda", dtype=torch.int8) for _ in "ab")
    return lambda: torch._int_mm(a, b.t())


class FakeQuantLinear(torch.nn.Linear):
    """QAT as PyTorch does it: both operands pass a fake quantizer."""

    def forward(self, x):
        x = torch.fake_quantize_per_tensor_affine(x, 0.02, 0, -128, 127)
        s = self.weight.detach().abs().amax(1) / 127
        w = torch.fake_quantize_per_channel_affine(self.weight, s.float(), torch.zeros_like(s, dtype=torch.int32), 0, -127, 127)
        return F.linear(x, w)


def step(kind, dtype, compiled=True, prepare=None):
    def make():
        m = kind(4096, 4096, bias=False).to("cuda", dtype)
        if prepare:
            m = prepare(torch.nn.Sequential(m))
        x = torch.randn(16384, 4096, device="cuda", dtype=dtype, requires_grad=True)
        dy = torch.randn(16384, 4096, device="cuda", dtype=dtype)
        opt = torch.optim.SGD(m.parameters(), 1e-3, momentum=0.9, foreach=True)
        f = torch.compile(m, mode="reduce-overhead") if compiled else m

        def run():
            f(x).backward(dy)
            opt.step()
            opt.zero_grad(set_to_none=False)
            x.grad = None

        return run

    return make


def torchao_int8(m):
    from torchao.prototype.quantized_training import int8_mixed_precision_training
    from torchao.quantization import quantize_

    quantize_(m, int8_mixed_precision_training())
    return m


def torchao_float8(m):
    from torchao.float8 import convert_to_float8_training

    return convert_to_float8_training(m)


save()
for n in (28, 30):
    measure(f"fake_quant 2^{n}", lambda n=n: fake_quant(1 << n))
for n in (4096, 8192):
    measure(f"bf16 product {n}", lambda n=n: bf16_product(n))
    measure(f"int8 product {n}", lambda n=n: int8_product(n))
measure("lsq backward 2^28", lambda: lsq(1 << 28))
measure("lsq backward 2^30", lambda: lsq(1 << 30))
measure("eager bf16 linear step", step(torch.nn.Linear, torch.bfloat16, compiled=False))
measure("eager float32 QAT linear step", step(FakeQuantLinear, torch.float32, compiled=False))
measure("compiled bf16 linear step", step(torch.nn.Linear, torch.bfloat16))
measure("compiled QAT linear step", step(FakeQuantLinear, torch.float32))
measure("torchao INT8 linear step", step(torch.nn.Linear, torch.bfloat16, prepare=torchao_int8))
measure("torchao float8 linear step", step(torch.nn.Linear, torch.bfloat16, prepare=torchao_float8))
