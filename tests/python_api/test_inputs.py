"""Inputs from Python: arrays, files, images and sounds, for models that read no text."""

import json
import sys
import types
import wave
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnxquant
import pytest
from conftest import WIDTH
from onnxquant.inputs import input_files
from onnxquant.media import image_array, sound_array

X = np.random.default_rng(0).normal(0, 1, (5, WIDTH)).astype(np.float32)


def _peak(ranges: onnxquant.Ranges) -> float:
    return float(ranges.values["h"]["peak"])


def test_arrays_come_by_name_alone_in_lists_and_in_files(mlp: Path, tmp_path: Path) -> None:
    expected = _peak(onnxquant.ranges(mlp, inputs={"x": X}))
    up = onnx.numpy_helper.to_array(onnx.load(mlp).graph.initializer[0])
    assert expected == pytest.approx(float(np.abs(X @ up).max()), rel=1e-5)
    np.savez_compressed(tmp_path / "x.npz", x=X)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "x.npy", X)
    several: list[Any] = [
        X,
        {"x": X.astype(np.float64)},
        tmp_path / "x.npz",
        str(tmp_path / "x.npz"),
        tmp_path / "folder",
        [{"x": X[:2]}, X[2:], tmp_path / "x.npz"],
    ]
    for inputs in several:
        assert _peak(onnxquant.ranges(mlp, inputs=inputs)) == pytest.approx(expected, rel=1e-6)
    assert onnxquant.ranges(mlp, inputs=several[-1])["runs"] == 3


def test_verify_and_calibrate_take_them_too(mlp: Path, tmp_path: Path) -> None:
    half = onnxquant.quantize(mlp, "fp16", output=tmp_path).paths["fp16"]
    result = onnxquant.verify(mlp, half, inputs=[X, X * 2], max_error=1.0)
    assert result.passed, result
    assert result.to_dict()["runs"] == 2
    assert not onnxquant.verify(mlp, half, inputs=X * 100, max_error=1e-9).passed
    made = onnxquant.calibrate(mlp, tmp_path / "c.safetensors", inputs=[X] * 30)
    assert made.metadata["text"] == "inputs"
    assert "30 runs on given inputs" in repr(made)
    assert made.tokens == 0


def test_messages_name_the_argument(mlp: Path) -> None:
    for inputs, sentence in (
        ({"y": X}, r"^inputs: holds an array 'y', and .* has no input of that name"),
        ([X, {"x": X[:, :3]}], r"^inputs\[1\]: input 'x' of .* is float32\[n, 64\]; found"),
        ({"x": np.array([{}])}, r"^inputs\['x'\]: is an array of object"),
        ([1.0, 2.0], "a list of numbers"),
        ([], "an empty list"),
        ({}, "^inputs: holds no arrays"),
        (7, "found int"),
    ):
        with pytest.raises(onnxquant.UsageError, match=sentence):
            onnxquant.ranges(mlp, inputs=inputs)
    with pytest.raises(onnxquant.UsageError, match="tokens or on inputs=, not on both"):
        onnxquant.ranges(mlp, [1, 2], inputs=X)


def test_every_name_can_be_that_of_an_array(mlp: Path) -> None:
    with input_files(str(mlp), {"file": X, "a/b": X, "args": X}) as files:
        assert sorted(np.load(files.paths[0])) == ["a/b", "args", "file"]
    assert not Path(files.paths[0]).exists()


def test_notes_name_the_argument(tmp_path: Path) -> None:
    model = _model(
        tmp_path, ("x", FLOAT, ["n", 2]), ("attention_mask", onnx.TensorProto.INT64, ["n", "m"])
    )
    (note,) = onnxquant.ranges(model, inputs=[{"x": X[:, :2]}])["notes"]
    assert note.startswith("inputs[0]: gives no attention_mask: made up")


def _model(folder: Path, *inputs: tuple[str, int, list[Any]]) -> str:
    """Write a model that takes these inputs and passes the first on."""
    name, kind, _ = inputs[0]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", [name], ["y"])],
        "media",
        [onnx.helper.make_tensor_value_info(*value) for value in inputs],
        [onnx.helper.make_tensor_value_info("y", kind, None)],
    )
    (folder / "onnx").mkdir(exist_ok=True)
    path = folder / "onnx" / "model.onnx"
    opset = [onnx.helper.make_opsetid("", 21)]
    onnx.save(onnx.helper.make_model(graph, ir_version=10, opset_imports=opset), path)
    return str(path)


FLOAT = onnx.TensorProto.FLOAT


class _Picture:
    """What is used of an image of Pillow's."""

    def __init__(self, pixels: Any) -> None:
        self.pixels = np.asarray(pixels, np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    def convert(self, mode: str) -> "_Picture":
        return self if mode == "RGB" else _Picture(self.pixels[:, :, 0])

    def resize(self, size: tuple[int, int], resample: int = 0) -> "_Picture":
        rows = np.arange(size[1]) * self.height // size[1]
        columns = np.arange(size[0]) * self.width // size[0]
        return _Picture(self.pixels[rows][:, columns])

    def crop(self, box: tuple[int, int, int, int]) -> "_Picture":
        return _Picture(self.pixels[box[1] : box[3], box[0] : box[2]])

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        return self.pixels


_Picture.__module__ = "PIL.Image"


def _picture(rows: int, columns: int) -> Any:
    return _Picture(np.random.default_rng(1).integers(0, 256, (rows, columns, 3)))


def test_an_image_gets_the_size_that_the_model_fixes(tmp_path: Path) -> None:
    model = _model(tmp_path, ("pixel_values", FLOAT, ["n", 3, 4, 6]))
    name, array = image_array(model, _picture(4, 6), "inputs")
    assert name == "pixel_values"
    np.testing.assert_allclose(array[0].transpose(1, 2, 0) * 255, _picture(4, 6), rtol=1e-6)
    assert image_array(model, _picture(40, 30), "inputs")[1].shape == (1, 3, 4, 6)
    rows = _model(tmp_path, ("image", FLOAT, [1, "h", "w", 3]))
    assert image_array(rows, _picture(5, 7), "inputs")[1].shape == (1, 5, 7, 3)
    grey = _model(tmp_path, ("image", onnx.TensorProto.UINT8, [1, 1, "h", "w"]))
    assert image_array(grey, _picture(5, 7), "inputs")[1].dtype == np.uint8


def test_an_image_is_prepared_as_the_configuration_says(tmp_path: Path) -> None:
    model = _model(tmp_path, ("pixel_values", FLOAT, ["n", 3, "h", "w"]))
    config = {
        "do_resize": True,
        "size": {"shortest_edge": 8},
        "do_center_crop": True,
        "crop_size": {"height": 6, "width": 4},
        "do_normalize": True,
        "image_mean": [0.5, 0.25, 0.0],
        "image_std": [0.5, 2.0, 1.0],
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    picture = _picture(8, 12)
    _, array = image_array(model, picture, "inputs")
    expected = (np.asarray(picture)[1:7, 4:8] / 255 - [0.5, 0.25, 0.0]) / [0.5, 2.0, 1.0]
    np.testing.assert_allclose(array[0], expected.transpose(2, 0, 1), atol=1e-6)
    (tmp_path / "preprocessor_config.json").write_text("[")
    with pytest.raises(onnxquant.UsageError, match=r"preprocessor_config.json: cannot be read"):
        image_array(model, picture, "inputs")


def test_a_file_of_an_image_needs_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlp: Path
) -> None:
    model = _model(tmp_path, ("x", FLOAT, [1, 3, 4, 4]))
    monkeypatch.setitem(sys.modules, "PIL", types.ModuleType("PIL"))
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(onnxquant.UsageError, match="pip install pillow"):
        onnxquant.ranges(model, inputs="a.png")
    with pytest.raises(onnxquant.UsageError, match="no one input that an image is for"):
        onnxquant.ranges(mlp, inputs="a.PNG")


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds_of_every_width_become_samples(tmp_path: Path, width: int) -> None:
    model = _model(tmp_path, ("input_values", FLOAT, ["n", "samples"]))
    wide = [0, 1 << 30, -(1 << 31), 1 << 29]  # of 32 bits
    frames = b"".join(
        bytes([(value >> 24) + 128])
        if width == 1
        else (value >> (32 - 8 * width)).to_bytes(width, "little", signed=True)
        for value in wide
    )
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, width, 16000, 0, "NONE", "not compressed"))
        file.writeframes(frames)
    name, array = sound_array(model, tmp_path / "a.wav", "a.wav")
    assert (name, array.shape, array.dtype) == ("input_values", (1, 2), np.float32)
    np.testing.assert_allclose(array[0], [0.25, -0.375], atol=0.01)
    assert onnxquant.ranges(model, inputs=tmp_path / "a.wav").values["y"]["max"] > 0.2
    (tmp_path / "preprocessor_config.json").write_text('{"sampling_rate": 8000}')
    with pytest.raises(onnxquant.UsageError, match=r"has 16000 samples a second; .* says 8000"):
        onnxquant.ranges(model, inputs=tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(onnxquant.UsageError, match=r"b\.wav: cannot be read as a \.wav file"):
        onnxquant.ranges(model, inputs=tmp_path / "b.wav")


def test_a_model_of_spectra_wants_arrays(tmp_path: Path) -> None:
    model = _model(tmp_path, ("input_features", FLOAT, ["n", 80, 3000]))
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(onnxquant.UsageError, match="takes 80 features a step, not samples"):
        onnxquant.ranges(model, inputs=tmp_path / "a.wav")
