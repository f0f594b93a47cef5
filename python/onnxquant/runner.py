"""Sessions of the installed onnxruntime, as the native part calls them."""

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from onnxquant.errors import ModelError, UsageError, VerifyError

Value = tuple[str, str, list[int | str | None]]
Row = tuple[str, list[int], Any]

# ONNX Runtime's names of element types, and NumPy's types, by the package's names.
_TYPES: dict[str, tuple[str, npt.DTypeLike]] = {
    "float32": ("float", np.float32),
    "float16": ("float16", np.float16),
    "bfloat16": ("bfloat16", ml_dtypes.bfloat16),
    "float64": ("double", np.float64),
    "int64": ("int64", np.int64),
    "int32": ("int32", np.int32),
    "int16": ("int16", np.int16),
    "int8": ("int8", np.int8),
    "uint64": ("uint64", np.uint64),
    "uint32": ("uint32", np.uint32),
    "uint16": ("uint16", np.uint16),
    "uint8": ("uint8", np.uint8),
    "bool": ("bool", np.bool_),
}
_NAME_OF = {runtime: name for name, (runtime, _) in _TYPES.items()}
_DTYPE_NAMES = {np.dtype(dtype): name for name, (_, dtype) in _TYPES.items()}
_BFLOAT16 = 16  # onnx.TensorProto.BFLOAT16


class Session:
    """A model loaded by onnxruntime, and what it takes and gives."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs: list[Value] = [_value(value) for value in session.get_inputs()]
        self.outputs: list[Value] = [_value(value) for value in session.get_outputs()]

    def run(
        self, inputs: Sequence[tuple[str, str, list[int], Any]], outputs: Sequence[str]
    ) -> list[Row]:
        """Run on (name, element type, dims, buffer) each; buffers live for this call only."""
        import onnxruntime as ort

        feeds = {}
        for name, element, dims, buffer in inputs:
            if element not in _TYPES:
                raise VerifyError(f"input '{name}' of {element} cannot be given through Python")
            array = np.frombuffer(buffer, _TYPES[element][1]).reshape(dims)
            if element == "bfloat16":
                feeds[name] = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
                    array.view(np.uint16), _BFLOAT16
                )
            else:
                feeds[name] = ort.OrtValue.ortvalue_from_numpy(array)
        results = self._session.run_with_ort_values(list(outputs), feeds)
        return [_row(result) for result in results]


def load(
    path: str, model: bytes | None, provider: str, optimization: str, threads: int, log_level: int
) -> Session:
    """Make a session. `model`: the model itself where it is not the file, whose folder then holds
    the external data."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise UsageError(
            "onnxruntime is not installed, and models are run with it: pip install onnxruntime"
        ) from error
    options = ort.SessionOptions()
    options.log_severity_level = log_level
    options.intra_op_num_threads = threads
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = {
        "none": levels.ORT_DISABLE_ALL,
        "basic": levels.ORT_ENABLE_BASIC,
        "all": levels.ORT_ENABLE_ALL,
    }[optimization]
    chosen = _provider(ort, provider)
    if model is not None:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", _folder(path)
        )
    else:
        _check_file(path)
    try:
        session = ort.InferenceSession(
            path if model is None else model, options, providers=[chosen]
        )
    except Exception as error:  # onnxruntime raises classes of its own that it does not export
        raise VerifyError(f"ONNX Runtime does not load it: {error}") from error
    if chosen not in session.get_providers():
        raise UsageError(f"provider '{provider}' was asked for but is not in use")
    return Session(session)


def _folder(path: str) -> str:
    from pathlib import Path

    return str(Path(path).absolute().parent)  # links are followed already


def _check_file(path: str) -> None:
    import os
    import stat

    try:
        # onnxruntime would wait for a pipe, and read a device without end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelError("is not a regular file")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ModelError(f"cannot be opened: {error.strerror}") from error


def _short(provider: str) -> str:
    return provider.lower().removesuffix("executionprovider")


def _provider(ort: Any, wanted: str) -> str:
    """Return the provider that the user means, as onnxruntime lists it."""
    providers = [str(name) for name in ort.get_available_providers()]
    for provider in providers:
        if _short(provider) == _short(wanted):
            return provider
    known = ", ".join(_short(provider) for provider in providers)
    extra = "; pip install onnxruntime-webgpu has it" if _short(wanted) == "webgpu" else ""
    raise UsageError(f"provider '{wanted}': onnxruntime {ort.__version__} has {known} only{extra}")


def _value(value: Any) -> Value:
    kind = str(value.type)
    element = kind[len("tensor(") : -1] if kind.startswith("tensor(") else ""
    return value.name, _NAME_OF.get(element, ""), list(value.shape or [])


def _row(result: Any) -> Row:
    kind = str(result.data_type())
    element = _NAME_OF.get(kind[len("tensor(") : -1], "")
    if element == "bfloat16":
        raise VerifyError("a bfloat16 output cannot be read through Python; give it out as float32")
    array = np.ascontiguousarray(result.numpy())
    if array.dtype not in _DTYPE_NAMES:
        raise VerifyError(f"an output of {kind} cannot be read")
    return _DTYPE_NAMES[array.dtype], list(array.shape), array.reshape(-1).view(np.uint8)
