"""Writes what the fuzzers start from, a folder for each: models, policies and texts of the tests.

    scripts/python.sh -m onnxquant_tools.fuzz_seeds FOLDER

Files are named after their content, so that the same seeds come to the same files.
"""

import hashlib
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import parser

from onnxquant_tools.conformance_cases import load_cases
from onnxquant_tools.text_models import with_weights

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 8192  # bytes of a model: fuzzers get further with small ones
# Two bytes before each model choose policy and options (fuzz/model_input.h).
POLICIES = 14
MODEL_FUZZERS = ("model_fuzzer", "convert_fuzzer", "strip_fuzzer")

CONFIGS = (
    "{}",
    '{"model_type": "gemma3_text", "transformers.js_config": {"dtype": "q4"}}',
    '{"transformers.js_config": {"use_external_data_format": true, "kv_cache_dtype": "float16"}}',
    '{"transformers.js_config": {"use_external_data_format": {"model.onnx": 2, "model_q4": true},'
    ' "kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}}, "bos_token_id": [1, 2]}',
)
RANGES = (
    '{"model": "m", "tokens": 3, "values": {}}',
    '{"values": {"x": {"peak": 12.5, "min": -1, "max": 12.5, "layer": null, "op": "MatMul"}}}',
    '{"values": {"x": {"peak": 1e300}, "y": {"peak": 0}, "z": {"peak": 65504, "nan": 1}}}',
)
TOKEN_TEXTS = (
    b"1[1, 2, 3]\n[4]\n",
    b'1{"tokens": [1, 2]}\n{"input_ids": [3]}\n{"ids": [4]}\n',
    b"21 2, 3\n4\t5",
    b'2{"bos_token_id": 2, "decoder_start_token_id": 0}',
)


def _texts() -> Iterator[str]:
    """Return the raw strings of the C++ tests, most of which are models."""
    for path in sorted((ROOT / "tests").rglob("*.cc")):
        yield from re.findall(r'R"\((.*?)\)"', path.read_text(encoding="utf-8"), re.DOTALL)


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field of the wire format."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number * 8 + 2]) + length + bytes([size]) + content


def _in_pieces() -> Iterator[bytes]:
    """Yield models of one initializer in several pieces, which protobuf puts together."""
    large = onnx.TensorProto(raw_data=bytes(5000), dims=[1250], data_type=onnx.TensorProto.FLOAT)
    small = onnx.TensorProto(name="w", raw_data=bytes(8))
    head = onnx.ModelProto(ir_version=10, opset_import=[onnx.OperatorSetIdProto(version=21)])
    for pieces in ((large,), (large, small), (small, large), (small, large, small)):
        tensor = b"".join(piece.SerializeToString() for piece in pieces)
        yield _field(7, _field(5, tensor)) + head.SerializeToString()


def _models() -> Iterator[bytes]:
    for text in _texts():
        if not text.lstrip().startswith("<"):
            continue
        try:
            yield with_weights(parser.parse_model(text)).SerializeToString()
        except (parser.ParseError, ValueError, TypeError):  # wrong on purpose, or made of pieces
            continue
    yield from _in_pieces()
    for case in load_cases()[::6]:  # many are alike
        yield case.model.SerializeToString()


def _choices(number: int) -> bytes:
    """Return the two bytes before a model: a policy, and a bit for each option."""
    return bytes([number % POLICIES, number // POLICIES % 8])


def _policies() -> Iterator[bytes]:
    for path in sorted((ROOT / "policies").glob("*.yaml")):
        yield path.read_bytes()
    for path in sorted((ROOT / "docs").rglob("*.md")):
        fences = re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        yield from (text.encode() for text in fences)
    yield (ROOT / "policies/fp16.yaml").read_bytes() + b"\0match: {role: norm}, compute: float32"


def _tokens() -> Iterator[bytes]:
    for dtype in (np.int32, np.int64):
        for shape in ((6,), (2, 3)):
            stream = io.BytesIO()
            np.save(stream, np.arange(6, dtype=dtype).reshape(shape))
            yield b"0" + stream.getvalue()
    yield from TOKEN_TEXTS


def _arrays() -> Iterator[bytes]:
    ids = np.arange(6).reshape(2, 3)
    other = np.asfortranarray(np.ones((2, 2), ">f4"))
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, input_ids=ids, x=other)
        yield stream.getvalue()
    for array in (ids, other):
        stream = io.BytesIO()
        np.save(stream, array)
        yield stream.getvalue()


def _calibrations() -> Iterator[bytes]:
    random = np.random.default_rng(0)
    for sizes, backwards in (((2,), False), ((1, 3), False), ((8, 4), False), ((3, 2), True)):
        header: dict[str, object] = {
            "__metadata__": {
                "format": "onnxquant.calibration",
                "version": "2" if backwards else "1",
                "fingerprint": "0123456789abcdef",
                "text": "tokens" if len(sizes) == 1 else "self",
                "seed": "0",
                "tokens": "9",
            }
        }
        tensors: dict[str, np.ndarray] = {f"count/v{size}": np.array(9) for size in sizes}
        rows = {size: random.standard_normal((9, size)).astype(np.float32) for size in sizes}
        tensors |= {f"moments/v{size}": x.T @ x for size, x in rows.items()}
        if backwards:
            x = rows[sizes[0]]
            tensors = {"gradient_count/y": np.array(8), "gradient_count/e": np.array(8)} | tensors
            tensors |= {"gradients/y": x.T @ x, "squares/y": np.arange(5, dtype=np.float32)}
            tensors |= {"lookup_gradients/e": x.T @ x, "squares/e": np.diag(x.T @ x)}
        data = b""
        for name, tensor in tensors.items():
            dtype = "I64" if tensor.dtype == np.int64 else "F32"
            header[name] = _place(dtype, list(tensor.shape), len(data), tensor.nbytes)
            data += tensor.tobytes()
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # tensors begin at multiples of their elements' size
        yield len(text).to_bytes(8, "little") + text + data


def _place(dtype: str, shape: list[int], offset: int, length: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + length]}


def _write(folder: Path, contents: Iterator[bytes]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for content in contents:
        name = hashlib.sha256(content).hexdigest()[:16]
        (folder / name).write_bytes(content)
        names.add(name)
    return len(names)


def main() -> int:
    """Write all of them and say how many there are."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    out = Path(sys.argv[1])
    models = [model for model in _models() if len(model) <= LARGEST]
    for name in MODEL_FUZZERS:
        chosen = (_choices(i) + model for i, model in enumerate(models))
        print(f"{name}: {_write(out / name, chosen)} seeds")
    others = {
        "calibration_fuzzer": _calibrations(),
        "policy_fuzzer": _policies(),
        "config_fuzzer": (text.encode() for text in CONFIGS),
        "ranges_fuzzer": (text.encode() for text in RANGES),
        "numpy_fuzzer": _arrays(),
        "tokens_fuzzer": _tokens(),
    }
    for name, contents in others.items():
        print(f"{name}: {_write(out / name, contents)} seeds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
