"""Reading safetensors: every element type of checkpoints, and a clear word on damaged files."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnxquant.export import CheckpointError
from onnxquant.export import safetensors_file as under_test
from onnxquant.export.safetensors_file import SafetensorsFile
from safetensors_writer import write_raw, write_safetensors

F32 = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_elements_are_widened_exactly(dtype: Any, tmp_path: Path) -> None:
    array = np.random.default_rng(1).normal(size=(5, 3)).astype(dtype)
    # A first tensor of odd bytes: what follows is not aligned, as the format allows.
    write_safetensors(tmp_path / "m", {"odd": np.zeros(3, np.uint8), "w": array})
    rows = np.concatenate(list(SafetensorsFile(tmp_path / "m").row_chunks("w")))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, array.astype(np.float32))


def test_a_large_tensor_comes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "CHUNK_BYTES", 24)
    array = np.arange(15, dtype=np.float32).reshape(5, 3)
    write_safetensors(tmp_path / "m", {"w": array})
    chunks = list(SafetensorsFile(tmp_path / "m").row_chunks("w"))
    assert [chunk.shape for chunk in chunks] == [(2, 3), (2, 3), (1, 3)]
    np.testing.assert_array_equal(np.concatenate(chunks), array)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"w": F32 | {"data_offsets": [0, 20]}}, "lie outside the data"),
        ({"w": F32 | {"data_offsets": [8, 4]}}, "lie outside the data"),
        ({"w": F32 | {"data_offsets": [-8, 8]}}, "lie outside the data"),
        ({"w": F32 | {"data_offsets": [0, 8]}}, "8 bytes, expected 16"),
        ({"w": F32 | {"shape": [-2, -2]}}, "lie outside the data"),
        ({"w": {"dtype": "F32", "shape": [2, 2]}}, "lacks a valid dtype, shape or data_offsets"),
        ({"w": 3}, "lacks a valid dtype"),
        (["w"], "the header is no JSON object"),
    ],
)
def test_a_false_header_is_refused(header: Any, message: str, tmp_path: Path) -> None:
    write_raw(tmp_path / "m", header, [np.zeros(4, np.float32)])
    with pytest.raises(CheckpointError, match=message) as caught:
        SafetensorsFile(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a header of 0 bytes in a file of 0 bytes"),
        (b"\xff" * 8, "in a file of 8 bytes"),
        (b"\x05" + b"\0" * 7 + b"{]   ", "not JSON"),
        (b"version https://git-lfs", "in a file of 23 bytes"),
    ],
)
def test_what_is_no_safetensors_file_is_refused(
    content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        SafetensorsFile(tmp_path / "m")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        SafetensorsFile(tmp_path / "absent")


def test_a_quantized_tensor_is_refused_when_it_is_read(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"w": np.zeros((2, 2), np.uint8)})
    file = SafetensorsFile(tmp_path / "m")
    with pytest.raises(CheckpointError, match="type U8, expected one of"):
        list(file.row_chunks("w"))


def test_the_metadata_is_kept_apart(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"w": np.zeros(1, np.float32)})
    file = SafetensorsFile(tmp_path / "m")
    assert file.metadata == {"format": "pt"}
    assert list(file.tensors) == ["w"]
