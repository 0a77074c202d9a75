#!/usr/bin/env python3
"""Runs TFLite files on other runtimes and compares integer codes.

    litert_check.py [--runtime litert|tflm|both] [--tolerance N] FOLDER...

Each folder has model.tflite, and for input i and output i (in the file's
order) inputI.npy and expectedI.npy of codes; input.npy and expected.npy stand
for a single one. The first dimension of the arrays counts samples: row r of
every input is one run. The codes must be those of LiteRT's reference kernels
(BUILTIN_REF), of TFLite Micro, or of both, and with --tolerance no further than
N from them. The exit status is 1 when any differ.

Needs: pip install ai-edge-litert==2.3.0 numpy (and tflite-micro for tflm).
"""

import argparse
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def arrays(folder, name):
    single = os.path.join(folder, name + ".npy")
    if os.path.exists(single):
        return [np.load(single)]
    found = []
    while os.path.exists(path := os.path.join(folder, f"{name}{len(found)}.npy")):
        found.append(np.load(path))
    return found


def litert(path, inputs, _):
    runtime = Interpreter(model_path=path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    runtime.allocate_tensors()
    places, results = runtime.get_input_details(), runtime.get_output_details()
    for row in range(len(inputs[0])):
        for place, x in zip(places, inputs):
            runtime.set_tensor(place["index"], x[row].reshape(place["shape"]))
        runtime.invoke()
        yield [runtime.get_tensor(place["index"]) for place in results]


def micro(path, inputs, count):
    from tflite_micro.python.tflite_micro import runtime as tflm

    runtime = tflm.Interpreter.from_file(path)
    for row in range(len(inputs[0])):
        for i, x in enumerate(inputs):
            shape = runtime.get_input_details(i)["shape"]
            runtime.set_input(x[row].reshape(shape), i)
        runtime.invoke()
        yield [runtime.get_output(i) for i in range(count)]


def check(folder, name, run, tolerance):
    inputs, expected = arrays(folder, "input"), arrays(folder, "expected")
    if not inputs or not expected:
        print(f"{folder}: no input or no expected output")
        return False
    differ = most = total = 0
    path = os.path.join(folder, "model.tflite")
    try:
        rows = list(run(path, inputs, len(expected)))
    except (RuntimeError, ValueError) as e:
        print(f"FAIL {name:6} {folder}: {str(e)[:200]}")
        return False
    for row, results in enumerate(rows):
        for want, got in zip(expected, results):
            d = np.abs(got.astype(np.int64).ravel() - want[row].astype(np.int64).ravel())
            differ += int((d > 0).sum())
            most = max(most, int(d.max(initial=0)))
            total += d.size
    fine = most <= tolerance
    print(f"{'ok  ' if fine else 'FAIL'} {name:6} {os.path.basename(os.path.normpath(folder))}: "
          f"{differ} of {total} codes differ, by at most {most}")
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", choices=("litert", "tflm", "both"), default="litert")
    parser.add_argument("--tolerance", type=int, default=0, help="largest difference of codes to accept")
    parser.add_argument("folder", nargs="+")
    args = parser.parse_args()
    fine = True
    for folder in args.folder:
        if args.runtime != "tflm":
            fine &= check(folder, "litert", litert, args.tolerance)
        if args.runtime != "litert":
            fine &= check(folder, "tflm", micro, args.tolerance)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
