# Writes library.safetensors and library16.safetensors with the reference
# library:
#   pip install safetensors==0.8.0 numpy && python make.py
import numpy as np
from safetensors import TensorSpec, serialize_file

METADATA = {'note "quoted"': 'tab\there, \u00e9, \U0001f600, \u0001'}


def save(path, arrays, metadata):
    specs = {
        name: TensorSpec(dtype=dtype, shape=list(a.shape), data_ptr=a.ctypes.data, data_len=a.nbytes)
        for name, (dtype, a) in arrays.items()
    }
    serialize_file(specs, path, metadata)


save("library.safetensors", {
    "f64": ("float64", np.array([[0.1, -1e300, 5e-324]], np.float64)),
    "i64": ("int64", np.array([-2**63, 2**63 - 1], np.int64)),
    "f32": ("float32", np.arange(6, dtype=np.float32).reshape(2, 3) / 3),
    "scalar": ("float32", np.array(2.5, np.float32)),
    "i32": ("int32", np.array([[[-2**31]], [[7]]], np.int32)),
    "empty": ("float32", np.zeros((0, 4), np.float32)),
    "\u00fcber/\"w\"\n": ("int8", np.array([-128, -1, 127], np.int8)),
    "u8": ("uint8", np.array([0, 200, 255, 1, 2], np.uint8)),
}, METADATA)

half = np.array([0.0, -0.0, 1.0, -2.5, 65504, 6e-8, 6.1e-5, np.inf, -np.inf, 0.1], np.float16)
wide = np.array([0.0, -0.0, 1.0, -2.5, 3e38, 1e-40, np.inf, -np.inf], np.float32)
save("library16.safetensors", {
    "half": ("float16", half),
    "brain": ("bfloat16", (wide.view(np.uint32) >> 16).astype(np.uint16)),
    "half.wide": ("float32", half.astype(np.float32)),
    "brain.wide": ("float32", (wide.view(np.uint32) >> 16 << 16).astype(np.uint32)),
}, None)
