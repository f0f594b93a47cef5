"""What the program refuses: a clear message, the right status, and nothing written."""

import os
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from program import FP16, listing, policy, run, save, small_model


def _refuses(folder: Path, status: int, *expected: str, arguments: tuple[str, ...] = ()) -> None:
    before = listing(folder)
    done = run("--policy", folder / "p.yaml", *arguments, folder / "model.onnx")
    assert done.returncode == status, done.stderr
    for words in expected:
        assert words in done.stderr
    assert done.stdout == ""
    assert listing(folder) == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"hello, world: no model at all", "model.onnx"),
        (b"GGUF\x03\x00\x00\x00", "is a GGUF file"),
        (b"PK\x03\x04 and so on", "is a zip archive"),
        (bytes(range(256)), "model.onnx"),
    ],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    policy(tmp_path)
    _refuses(tmp_path, 2, expected)


def test_a_missing_model(tmp_path: Path) -> None:
    policy(tmp_path)
    _refuses(tmp_path, 2, "model.onnx: cannot be opened: No such file or directory")


def test_a_truncated_model(tmp_path: Path) -> None:
    path = save(small_model(), tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    policy(tmp_path)
    _refuses(tmp_path, 2, "model.onnx: not a valid ONNX file: malformed data at byte")


def test_missing_external_data(tmp_path: Path) -> None:
    save(small_model(), tmp_path, external=True)
    (tmp_path / "model.onnx_data").unlink()
    policy(tmp_path)
    _refuses(tmp_path, 2, "initializer 'w1'", "model.onnx_data' cannot be found", "download")


def test_short_external_data(tmp_path: Path) -> None:
    save(small_model(), tmp_path, external=True)
    os.truncate(tmp_path / "model.onnx_data", 40000)
    policy(tmp_path)
    _refuses(tmp_path, 2, "initializer 'w2'", "ends beyond 'model.onnx_data' (40000 bytes)")


Change = Callable[[onnx.ModelProto], None]


def _entry(model: onnx.ModelProto, tensor: int, key: str, value: str) -> None:
    entries = model.graph.initializer[tensor].external_data
    for entry in entries:
        if entry.key == key:
            entry.value = value
            return
    entries.add(key=key, value=value)


EXTERNAL: list[tuple[str, Change, str]] = [
    ("overlapping", lambda m: _entry(m, 1, "offset", "100"), "overlap in 'model.onnx_data'"),
    ("absolute", lambda m: _entry(m, 0, "location", "/etc/passwd"), "is absolute"),
    ("escaping", lambda m: _entry(m, 0, "location", "../x"), "leaves the model's folder"),
    ("unknown key", lambda m: _entry(m, 0, "colour", "red"), "the unknown key 'colour'"),
    ("folder", lambda m: _entry(m, 0, "location", "sub"), "is not a regular file"),
    ("pipe", lambda m: _entry(m, 0, "location", "pipe"), "is not a regular file"),
]


@pytest.mark.parametrize(
    ("change", "expected"), [c[1:] for c in EXTERNAL], ids=[c[0] for c in EXTERNAL]
)
def test_damaged_external_references(tmp_path: Path, change: Change, expected: str) -> None:
    path = save(small_model(), tmp_path, external=True)
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")
    model = onnx.load(path, load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())
    policy(tmp_path)
    _refuses(tmp_path, 2, "initializer 'w", expected)


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "b"


def _same_values(model: onnx.ModelProto) -> None:
    model.graph.node[2].output[0] = "a"


def _undefined(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "ghost"


def _unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = 99


def _wrong_size(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].dims[0] = 49


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_cycle, "the graph has a cycle through node 'first' (MatMul)"),
        (_same_values, "value 'a' is defined twice"),
        (_undefined, "node 'relu' (Relu) reads 'ghost', which nothing defines"),
        (_unknown_type, "initializer 'w1': element type 99"),
        (_wrong_size, "initializer 'bias': its shape and type ask for 196 bytes, but it holds 192"),
    ],
)
def test_an_invalid_graph(tmp_path: Path, change: Change, expected: str) -> None:
    model = small_model()
    change(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    policy(tmp_path)
    _refuses(tmp_path, 2, f"{tmp_path}/model.onnx: ", expected)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{match: {rol: norm}, compute: float32}", "did you mean 'role'?"),
        ("{match: {role: nrom}, compute: float32}", "did you mean 'norm'?"),
        ("{match: {role: norm}, comptue: float32}", "did you mean 'compute'?"),
        ("{match: {role: norm}, compute: flaot32}", "did you mean 'float32'?"),
        ("{match: {role: norm}, compute: float32}", "this rule matches nothing in"),
    ],
)
def test_a_wrong_policy(tmp_path: Path, rule: str, expected: str) -> None:
    save(small_model(), tmp_path)
    policy(tmp_path, f"{FP16}rules:\n  - {rule}\n")
    _refuses(tmp_path, 3, "p.yaml:6:", expected)


def test_a_wrong_rule_on_the_command_line(tmp_path: Path) -> None:
    save(small_model(), tmp_path)
    policy(tmp_path)
    rule = "match: {role: nrom}, keep: true"
    _refuses(tmp_path, 3, "--set:1:15: found role 'nrom'", arguments=("--set", rule))


def test_an_unknown_policy(tmp_path: Path) -> None:
    done = run("--policy", "gema-web", save(small_model(), tmp_path))
    assert done.returncode == 3
    assert "did you mean 'gemma-web'?" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [(), ("--policy", "fp16"), ("--nonsense",), ("plan",), ("diff", "a.onnx")],
)
def test_a_wrong_command_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr != ""
    assert listing(tmp_path) == {}


def test_an_output_that_the_policy_lacks(tmp_path: Path) -> None:
    save(small_model(), tmp_path)
    policy(tmp_path)
    _refuses(tmp_path, 1, "has no output 'q4'; it has fp16", arguments=("--dtype", "q4"))


def test_an_output_that_exists(tmp_path: Path) -> None:
    save(small_model(), tmp_path)
    policy(tmp_path)
    (tmp_path / "model_fp16.onnx").write_text("precious")
    _refuses(tmp_path, 4, "model_fp16.onnx: exists already; --force")


@pytest.mark.parametrize("kind", ["itself", "symbolic link", "hard link"])
def test_never_its_own_input(tmp_path: Path, kind: str) -> None:
    path = save(small_model(), tmp_path)
    output = "fp32" if kind == "itself" else "fp16"
    policy(tmp_path, FP16.replace("fp16:", f"{output}:"))
    if kind == "symbolic link":
        (tmp_path / "model_fp16.onnx").symlink_to("model.onnx")
    elif kind == "hard link":
        (tmp_path / "model_fp16.onnx").hardlink_to(path)
    _refuses(tmp_path, 4, "is part of the input", arguments=("--force",))


def test_weights_beyond_float16(tmp_path: Path) -> None:
    model = small_model()
    bias = model.graph.initializer[2]
    bias.raw_data = b"\x00\x50\xc3\x47" + bias.raw_data[4:]  # 100000
    save(model, tmp_path)
    policy(tmp_path)
    _refuses(tmp_path, 2, "initializer 'bias': 1 value lies beyond float16's 65504", "100000")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    save(small_model(), tmp_path)
    policy(tmp_path)
    (tmp_path / "out").write_text("")
    _refuses(tmp_path, 4, "out: is not a folder", arguments=("-o", str(tmp_path / "out")))
