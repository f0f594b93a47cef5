"""Reading safetensors: every element type of checkpoints, and a clear word on damaged files."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnxquant.export import CheckpointError
from onnxquant.export import row_chunks as chunking
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
    monkeypatch.setattr(chunking, "CHUNK_BYTES", 24)
    array = np.arange(15, dtype=np.float32).reshape(5, 3)
    write_safetensors(tmp_path / "m", {"w": array})
    chunks = list(SafetensorsFile(tmp_path / "m").row_chunks("w"))
    assert [chunk.shape for chunk in chunks] == [(2, 3), (2, 3), (1, 3)]
    np.testing.assert_array_equal(np.concatenate(chunks), array)


@pytest.mark.parametrize(
    "header",
    [
        {"w": F32 | {"data_offsets": [0, 20]}},
        {"w": F32 | {"data_offsets": [8, 4]}},
        {"w": F32 | {"data_offsets": [-8, 8]}},
        {"w": F32 | {"data_offsets": [0, 8]}},
        {"w": F32 | {"shape": [-2, -2]}},
        {"w": F32 | {"shape": [1 << 62, 4]}},
        {"w": F32 | {"shape": [2.0, 2]}},
        {"w": F32 | {"dtype": "F33"}},
        {"w": {"dtype": "F32", "shape": [2, 2]}},
        {"w": F32, "overlapping": F32},
        {"w": F32 | {"shape": [3], "data_offsets": [4, 16]}},
        {"w": F32 | {"shape": [3], "data_offsets": [0, 12]}},
        {"w": F32, "__metadata__": {"format": 3}},
        {"w": 3},
        ["w"],
    ],
)
def test_a_false_header_is_refused(header: Any, tmp_path: Path) -> None:
    write_raw(tmp_path / "m", header, [np.zeros(4, np.float32)])
    with pytest.raises(CheckpointError, match="is no valid safetensors file") as caught:
        SafetensorsFile(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write_raw(tmp_path / "m", {"w": F32}, [np.zeros(4, np.float32)])
    content = (tmp_path / "m").read_bytes()
    twice = content[8:-17] + b"," + content[9:-16]
    (tmp_path / "m").write_bytes(len(twice).to_bytes(8, "little") + twice + bytes(16))
    with pytest.raises(CheckpointError, match="'w' is there twice"):
        SafetensorsFile(tmp_path / "m")


@pytest.mark.parametrize("change", [bytes(100), b""])
def test_a_file_that_changes_after_it_was_opened_is_not_read(change: bytes, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"w": np.ones((2, 2), np.float32)})
    file = SafetensorsFile(tmp_path / "m")
    (tmp_path / "m").write_bytes(change)
    with pytest.raises(CheckpointError, match="was changed after it was opened"):
        list(file.row_chunks("w"))


def test_a_tensor_without_elements_is_refused_when_it_is_read(tmp_path: Path) -> None:
    # Its rows are more than could be gone through one by one.
    entry = {"dtype": "F32", "shape": [1 << 62, 0], "data_offsets": [0, 0]}
    write_raw(tmp_path / "m", {"w": entry})
    file = SafetensorsFile(tmp_path / "m")
    with pytest.raises(CheckpointError, match="has no elements"):
        list(file.row_chunks("w"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a header of 0 bytes in a file of 0 bytes"),
        (b"\xff" * 8, "in a file of 8 bytes"),
        (b"\x05" + b"\0" * 7 + b"{]   ", "invalid JSON in header"),
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
