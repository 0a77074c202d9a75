"""Checks ONNX models that goqat wrote against ONNX Runtime.

    python onnx_check.py DIR [--rtol 1e-4] [--atol 1e-5]

DIR holds one folder a case: model.onnx, input_0.npy ..., expected_0.npy ...,
in the order of the model's inputs and outputs and in its layout. Each model
must pass onnx.checker with full shape inference. Float outputs must be close;
with a file QUANTIZED in the folder, whose text is the scale of the outputs and
a share, they must be within one step, and all but that share (or one element)
equal. Needs onnx, onnxruntime and numpy. Exits with 1 when a case fails and with 2 when there is none.
"""

import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime


def check(case, rtol, atol):
    """Returns what is wrong with a case, or None."""
    path = case / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = {x.name: np.load(case / f"input_{i}.npy") for i, x in enumerate(session.get_inputs())}
    for i, got in enumerate(session.run(None, feeds)):
        want = np.load(case / f"expected_{i}.npy")
        if got.shape != want.shape:
            return f"output {i} is {got.shape}, want {want.shape}"
        if not got.size:
            continue
        step = case / "QUANTIZED"
        if step.exists():
            scale, share = map(float, step.read_text().split())
            steps = np.abs(got.astype(np.float64) - want.astype(np.float64)) / scale
            far, differ = np.max(steps), np.count_nonzero(steps > 0.5)
            if far > 1.01 or differ > max(1, share * got.size):
                return f"output {i}: up to {far:.2f} steps away, {differ} of {got.size} differ"
        elif not np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
            worst = np.max(np.abs(got.astype(np.float64) - want))
            return f"output {i}: up to {worst} away"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--rtol", type=float, default=1e-4)
    parser.add_argument("--atol", type=float, default=1e-5)
    args = parser.parse_args()
    failed = cases = 0
    for path in sorted(args.dir.glob("*/model.onnx")):
        cases += 1
        try:
            wrong = check(path.parent, args.rtol, args.atol)
        except Exception as e:  # Any refusal is a failure of the case.
            wrong = f"{type(e).__name__}: {e}"
        if wrong:
            failed += 1
            print(f"FAIL {path.parent.name}: {wrong}")
    print(f"{cases - failed} of {cases} cases pass")
    return 2 if cases == 0 else int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
