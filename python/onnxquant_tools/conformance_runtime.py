"""Runs the models of the conformance suite in ONNX Runtime, on one thread of the CPU."""

import ctypes
import math
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime as ort
from onnx import helper

Values = dict[str, Any]

# A float input takes any float, rounded.
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_FLOATS_HELD = (np.float16, np.float32, np.float64, ml_dtypes.bfloat16)

_HALF = "float16"
# The types that come out of a session as bytes, and their widths: NumPy has none of them.
_BITS = {"bfloat16": 16, "float4e2m1": 4, "int4": 4, "uint4": 4, "int2": 2, "uint2": 2}
_BITS |= dict.fromkeys(
    ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "float8e8m0"], 8
)


def load(model: bytes | str) -> ort.InferenceSession:
    """Return a session with ONNX Runtime's default optimizations; it fails as a user's would."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def map_floats(value: Any, change: Any) -> Any:
    """Return a value with `change` done to each float32 array in it."""
    if isinstance(value, list):
        return [map_floats(item, change) for item in value]
    if isinstance(value, dict):
        return {key: map_floats(item, change) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic) and value.dtype == np.float32:
        return change(np.asarray(value))
    return value


def to_half(array: Any) -> Any:
    """Round to float16, to nearest even; what is beyond its range becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float16)


def rounded(array: Any) -> Any:
    """Round to float16 and return as float32."""
    return to_half(array).astype(np.float32)


def _fed(value: Any, kind: str) -> Any:
    """Return an input as an OrtValue: NumPy has no type of its own for some of ONNX's."""
    value = map_floats(value, to_half) if _HALF in kind else value
    if value is None or isinstance(value, list | dict) or not kind.startswith("tensor("):
        return value
    array = np.array(value)  # a copy: BatchNormalization in training writes into its inputs
    if kind in _FLOATS and array.dtype in _FLOATS_HELD:
        with np.errstate(over="ignore"):
            array = array.astype(_FLOATS[kind])
    if array.dtype.isbuiltin == 1:
        return array
    element = helper.np_dtype_to_tensor_dtype(array.dtype)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, element)


def _taken(value: Any, kind: str) -> Any:
    """Return what an OrtValue holds; a type that NumPy lacks as its bytes, bfloat16 as float32."""
    name = kind.removeprefix("tensor(").removesuffix(")")
    if name not in _BITS:
        return value.numpy()
    count = math.prod(value.shape()) * _BITS[name]
    data = ctypes.string_at(value.data_ptr(), -(-count // 8)) if count else b""
    if name == "bfloat16":
        high = np.frombuffer(data, np.uint16).astype(np.uint32) << 16
        return high.view(np.float32).reshape(value.shape())
    return np.frombuffer(data, np.uint8)


def run(session: ort.InferenceSession, values: Values) -> Values:
    """Run a session on values by name; a float input takes values of any float type, rounded."""
    feeds = {item.name: _fed(values[item.name], item.type) for item in session.get_inputs()}
    kinds = {item.name: item.type for item in session.get_outputs()}
    if not any(kind[7:-1] in _BITS for kind in kinds.values()):
        return dict(zip(kinds, session.run(list(kinds), feeds), strict=True))
    for name, value in feeds.items():
        if isinstance(value, np.ndarray):
            feeds[name] = ort.OrtValue.ortvalue_from_numpy(value)
    got = session.run_with_ort_values(list(kinds), feeds)
    return {name: _taken(value, kinds[name]) for name, value in zip(kinds, got, strict=True)}
