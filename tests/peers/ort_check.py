#!/usr/bin/env python3
"""Runs ONNX files on ONNX Runtime and compares outputs in codes.

    ort_check.py [--tolerance N] [--fraction F] FOLDER...

Each folder has model.onnx, for input i and output i (in the file's order)
inputI.npy and expectedI.npy of float32, whose first dimension is the batch, in
the file's layout, and scales.npy with the scale of each output. Outputs are
compared in steps of that scale: at most the fraction F (0) of them may differ,
and none by more than N (1) steps. The exit status is 1 when more do. Run it on a
CPU with VNNI: on others ONNX Runtime adds pairs of products in 16 bits, which
may saturate.

Needs: pip install onnxruntime==1.32.0 numpy.
"""

import argparse
import os
import sys

import numpy as np
import onnxruntime as ort


def arrays(folder, name):
    found = []
    while os.path.exists(path := os.path.join(folder, f"{name}{len(found)}.npy")):
        found.append(np.load(path))
    return found


def check(folder, tolerance, fraction):
    inputs, expected = arrays(folder, "input"), arrays(folder, "expected")
    scales = np.load(os.path.join(folder, "scales.npy"))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    differ = most = total = 0
    for row in range(len(inputs[0])):
        results = session.run(None, {n: x[row : row + 1] for n, x in zip(names, inputs)})
        for want, got, scale in zip(expected, results, scales):
            d = np.abs(np.rint((got[0].astype(np.float64) - want[row]) / scale))
            differ += int((d > 0).sum())
            most = max(most, int(d.max(initial=0)))
            total += d.size
    fine = most <= tolerance and differ <= fraction * total
    print(f"{'ok  ' if fine else 'FAIL'} {os.path.basename(os.path.normpath(folder))}: "
          f"{differ} of {total} outputs differ, by at most {most} codes")
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=int, default=1, help="largest difference to accept, in codes")
    parser.add_argument("--fraction", type=float, default=0, help="fraction of outputs that may differ")
    parser.add_argument("folder", nargs="+")
    args = parser.parse_args()
    fine = [check(f, args.tolerance, args.fraction) for f in args.folder]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
