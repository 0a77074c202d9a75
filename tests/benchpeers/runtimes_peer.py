"""INT8 inference of ONNX Runtime and OpenVINO: runtimes_peer.py FOLDER, which
export_models.py has filled."""

import os
import sys

import protocol

MODELS = {
    "cnn": (128, 1, 28, 28),
    "mlp": (128, 1, 28, 28),
    "mobilenetv2": (1, 3, 224, 224),
    "resnet18": (1, 3, 224, 224),
}
NAMES = [
    f"{runtime}/infer/{model}/{kind}/b{shape[0]}"
    for runtime in ("onnxruntime", "openvino")
    for model, shape in MODELS.items()
    for kind in ("float", "int8")
]


def load():
    import numpy as np
    import onnxruntime
    import openvino

    folder = sys.argv[1]
    onnxruntime.set_default_logger_severity(3)
    core = openvino.Core()

    def hello():
        return {
            "onnxruntime": onnxruntime.__version__,
            "openvino": openvino.__version__.split("-")[0],
            "openvino capabilities": " ".join(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        }

    def inputs(shape):
        rng = np.random.default_rng(2)
        return [rng.standard_normal(shape, dtype=np.float32) for _ in range(4)]

    def in_turn(xs, infer):
        turn = 0

        def run():
            nonlocal turn
            infer(xs[turn % len(xs)])
            turn += 1

        return run

    def ort(path, shape, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return in_turn(inputs(shape), lambda x: session.run(None, {"x": x})), "all optimizations"

    def vino(path, shape, threads):
        hints = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # As the others: no bf16 where a layer stays float.
        }
        request = core.compile_model(path, "CPU", hints).create_infer_request()
        return in_turn(inputs(shape), lambda x: request.infer({0: x})), "one stream, latency hint"

    def figure(name):
        runtime, _, model, kind, _ = name.split("/")
        path = os.path.join(folder, model + ("_int8" if kind == "int8" else "") + ".onnx")
        make = {"onnxruntime": ort, "openvino": vino}[runtime]
        return lambda threads: make(path, MODELS[model], threads)

    return hello, {name: figure(name) for name in NAMES}


if __name__ == "__main__":
    protocol.main(NAMES, load)
