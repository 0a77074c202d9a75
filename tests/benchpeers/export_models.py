"""Writes the models of the inference figures as ONNX files, in float and
quantized by ONNX Runtime's own tool: export_models.py FOLDER

The networks are the project's zoo models with random weights; their
convolutions and batch normalizations are folded by the exporter."""

import logging
import os
import sys
import warnings

from runtimes_peer import MODELS


def main(folder):
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    import numpy as np
    import torch
    import torchvision
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from torch import nn

    def block(inputs, outputs, stride):
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    torch.manual_seed(1)
    models = {
        "cnn": nn.Sequential(
            block(1, 16, 1), block(16, 32, 2), block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
        ),
        "mlp": nn.Sequential(
            nn.Flatten(), nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
        ),
        "mobilenetv2": torchvision.models.mobilenet_v2(),
        "resnet18": torchvision.models.resnet18(),
    }
    rng = np.random.default_rng(1)

    class Noise(CalibrationDataReader):
        def __init__(self, shape, batches):
            self.rest = iter([{"x": rng.standard_normal(shape, dtype=np.float32)} for _ in range(batches)])

        def get_next(self):
            return next(self.rest, None)

    os.makedirs(folder, exist_ok=True)
    for name, shape in MODELS.items():
        path = os.path.join(folder, name)
        torch.onnx.export(
            models[name].eval(), torch.randn(*shape), path + ".onnx", input_names=["x"], dynamo=False, opset_version=17
        )
        quantize_static(
            path + ".onnx",
            path + "_int8.onnx",
            Noise(shape, 8),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main(sys.argv[1])
