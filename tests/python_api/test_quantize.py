"""Planning and converting from Python."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import onnxquant
import onnxruntime as ort
import pytest
from conftest import WIDTH, make_mlp
from onnxquant.errors import in_python

ROOT = Path(__file__).resolve().parents[2]


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(folder.iterdir())
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "onnxquant", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_conversion_gives_the_command_lines_bytes(mlp: Path, tmp_path: Path) -> None:
    done = _cli("--policy", "fp16", "-o", tmp_path / "cli", mlp)
    assert done.returncode == 0, done.stderr
    report = onnxquant.quantize(mlp, "fp16", output=tmp_path / "api")
    assert _hashes(tmp_path / "api") == _hashes(tmp_path / "cli")
    assert report.paths["fp16"] == tmp_path / "api" / "model_fp16.onnx"
    assert report.output("fp16").bytes == sum(
        f.stat().st_size for f in (tmp_path / "api").iterdir()
    )


def test_a_calibration_chooses_codes_for_a_path_and_for_a_model_in_memory(
    mlp: Path, tmp_path: Path
) -> None:
    statistics = tmp_path / "c.safetensors"
    done = _cli("calibrate", mlp, "-o", statistics, "--sequences", "4")
    assert done.returncode == 0, done.stderr
    rule = "match: {calibrated: true}, method: gptq, optional: true"
    onnxquant.quantize(mlp, "q4", rules=rule, output=tmp_path / "nearest")
    report = onnxquant.quantize(
        mlp, "q4", rules=rule, output=tmp_path / "better", calibration=statistics
    )
    onnxquant.quantize(
        onnx.load(mlp), "q4", rules=rule, output=tmp_path / "proto", calibration=statistics
    )
    assert _hashes(tmp_path / "better") != _hashes(tmp_path / "nearest")
    assert _hashes(tmp_path / "better") == _hashes(tmp_path / "proto")
    assert "gptq" in {row["method"] for row in report.output("q4").tensors}
    with pytest.raises(onnxquant.UsageError, match=r"none\.safetensors"):
        onnxquant.quantize(
            mlp, "q4", output=tmp_path / "x", calibration=tmp_path / "none.safetensors"
        )


@pytest.mark.parametrize("external", [False, True])
def test_models_in_memory_give_the_files_bytes(mlp: Path, tmp_path: Path, external: bool) -> None:
    if external:
        onnx.save(make_mlp(), mlp, save_as_external_data=True, size_threshold=0)
    onnxquant.quantize(mlp, "q4", output=tmp_path / "file")
    expected = _hashes(tmp_path / "file")
    onnxquant.quantize(onnx.load(mlp), "q4", output=tmp_path / "proto")
    assert _hashes(tmp_path / "proto") == expected
    model = onnx_ir.load(mlp)
    onnxquant.quantize(model, "q4", output=tmp_path / "ir")
    assert _hashes(tmp_path / "ir") == expected
    # The caller's model is as it was.
    weight = model.graph.initializers["up"].const_value
    assert weight is not None
    assert weight.numpy().shape == (WIDTH, 2 * WIDTH)


def test_a_proto_that_was_loaded_without_its_data_finds_it_by_its_path(
    mlp: Path, tmp_path: Path
) -> None:
    onnx.save(make_mlp(), mlp, save_as_external_data=True, size_threshold=0)
    onnxquant.quantize(mlp, "fp16", output=tmp_path / "file")
    bare = onnx.load(mlp, load_external_data=False)
    with pytest.raises(onnxquant.ModelError, match="cannot be found"):
        onnxquant.quantize(bare, "fp16", output=tmp_path / "none")
    onnxquant.quantize(bare, "fp16", output=tmp_path / "bare", model_path=mlp)
    assert _hashes(tmp_path / "bare") == _hashes(tmp_path / "file")


def test_weights_of_an_ir_model_are_not_copied(tmp_path: Path) -> None:
    """A change between planning and applying shows that the plan reads the caller's array."""
    model = onnx_ir.from_proto(make_mlp())
    weight = model.graph.initializers["down"].const_value
    assert weight is not None
    array = np.array(weight.numpy())
    model.graph.initializers["down"].const_value = onnx_ir.Tensor(array, name="down")
    plan = onnxquant.plan(model, "fp16", output=tmp_path)
    array[:] = 0.5
    plan.apply()
    session = ort.InferenceSession(tmp_path / "model_fp16.onnx")
    rows = session.run(None, {"x": np.ones((1, WIDTH), np.float32)})[0]
    assert np.ptp(rows) == 0


def test_a_plan_shows_what_the_conversion_then_does(mlp: Path, tmp_path: Path) -> None:
    plan = onnxquant.plan(mlp, "q4f16", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    report = plan.apply()
    assert [f["bytes"] for f in plan.outputs[0].files] == [
        (tmp_path / "out" / f["name"]).stat().st_size for f in report.outputs[0].files
    ]
    assert any("int4" in row["format"] for row in plan.outputs[0].tensors)
    assert plan.why("up")
    with pytest.raises(onnxquant.UsageError, match="no weight, node, input or output 'nothing'"):
        plan.why("nothing")
    with pytest.raises(onnxquant.UsageError, match="there are q4f16"):
        plan.output("fp16")


def test_results_show_themselves(mlp: Path, tmp_path: Path) -> None:
    plan = onnxquant.plan(mlp, "fp16", output=tmp_path)
    html = plan._repr_html_()
    assert "<table>" in html
    assert "float16" in html
    assert "fp16" in repr(plan)
    frame = plan.to_pandas()
    assert set(frame["name"]) == {"up", "bias", "down"}
    assert int(frame["bytes"].sum()) == 2 * (WIDTH * 4 * WIDTH + 2 * WIDTH)
    assert plan.to_dict()["outputs"][0]["dtype"] == "fp16"
    plan.to_html(tmp_path / "plan.html")
    assert "Content-Security-Policy" in (tmp_path / "plan.html").read_text()


def test_names_in_tables_are_text(mlp: Path, tmp_path: Path) -> None:
    model = onnx.load(mlp)
    hostile = tmp_path / "<script>alert(1)</script>"
    page = onnxquant.plan(model, "fp16", output=tmp_path, model_path=str(hostile))._repr_html_()
    assert "<script>" not in page


def test_a_plan_writes_where_it_was_made(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = onnxquant.plan(mlp, "fp16", output="out")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert plan.apply().paths["fp16"].parent == tmp_path / "out"
    assert list((tmp_path / "other").iterdir()) == []


def test_results_are_read_as_mappings(mlp: Path, tmp_path: Path) -> None:
    plan = onnxquant.plan(mlp, "fp16", output=tmp_path)
    assert dict(plan) == plan.to_dict()
    assert "outputs" in plan
    plan.to_dict()["outputs"].clear()
    assert plan.outputs


def test_a_model_in_memory_counts_its_weights_as_input(mlp: Path, tmp_path: Path) -> None:
    size = mlp.stat().st_size
    counted = onnxquant.plan(onnx.load(mlp), "fp16", output=tmp_path)["input_bytes"]
    assert counted == pytest.approx(size, rel=0.05)


def test_a_plan_of_a_model_that_was_written_anew_is_refused(mlp: Path, tmp_path: Path) -> None:
    """The plan's view of the file would be of something else, or end the process."""
    model = tmp_path / "model.onnx"
    model.write_bytes(mlp.read_bytes())
    plan = onnxquant.plan(model, "fp16", output=tmp_path / "out")
    os.truncate(model, 100)
    with pytest.raises(onnxquant.ModelError, match="was changed after it was read; plan again"):
        plan.apply()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("policy", "error", "words"),
    [
        ("fp61", onnxquant.PolicyError, "did you mean 'fp16'"),
        ({"policy": 1, "outputs": {}}, onnxquant.PolicyError, "policy:1"),
        ("./missing.yaml", onnxquant.PolicyError, "the policy file cannot be read"),
        (None, onnxquant.UsageError, "policy of type NoneType"),
    ],
)
def test_policies_that_are_wrong_are_refused(
    mlp: Path, policy: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        onnxquant.plan(mlp, policy)  # type: ignore[arg-type]


def test_errors_are_the_packages(mlp: Path, tmp_path: Path) -> None:
    with pytest.raises(onnxquant.ModelError, match="cannot be opened"):
        onnxquant.quantize(tmp_path / "nothing.onnx", "fp16")
    with pytest.raises(onnxquant.UsageError, match="needs output="):
        onnxquant.quantize(onnx.load(mlp), "fp16")
    with pytest.raises(onnxquant.UsageError, match="type int"):
        onnxquant.quantize(3, "fp16")
    onnxquant.quantize(mlp, "fp16", output=tmp_path / "out")
    again = "exists already; force=True replaces it, output= writes elsewhere"
    with pytest.raises(onnxquant.WriteError, match=again):
        onnxquant.quantize(mlp, "fp16", output=tmp_path / "out")
    onnxquant.quantize(mlp, "fp16", output=tmp_path / "out", force=True)
    with pytest.raises(onnxquant.UsageError, match="it has fp16"):
        onnxquant.quantize(mlp, "fp16", dtypes=["q4"], output=tmp_path / "other")
    with pytest.raises(onnxquant.UsageError, match="threads=-1"):
        onnxquant.quantize(mlp, "fp16", output=tmp_path / "other", threads=-1)
    assert issubclass(onnxquant.WriteError, OSError)


def test_messages_name_arguments_in_the_place_of_options() -> None:
    said = (
        "give --ranges FILE, or --max-shard; choose another folder (-o); a--force, --forced, -out"
    )
    expected = (
        "give ranges=, or max_shard; choose another folder (output=); a--force, --forced, -out"
    )
    assert in_python(said) == expected
    places = ("a/--force/m.onnx", "/a --force b/m.onnx", "C --ranges FILE.onnx", "p-o.yaml:3:1")
    for place in places:
        assert in_python(f"{place}: exists; --force") == f"{place}: exists; force=True"
    assert in_python("the file (/a/--force/m.onnx) and '-o' and '/a -o b'; -o") == (
        "the file (/a/--force/m.onnx) and '-o' and '/a -o b'; output="
    )
    assert in_python("--part: the model's --size, and the weights' -o.") == (
        "part: the model's size, and the weights' output=."
    )
    command = "'onnxquant tune --cache' writes it"
    assert in_python(f"{command}; --cache takes it") == f"{command}; cache takes it"


def test_every_option_that_the_library_names_has_its_argument() -> None:
    files = [path for path in (ROOT / "lib").rglob("*.cc") if path.parent.name != "report"]
    sources = "".join(path.read_text() for path in files)
    quoted = "\n".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', sources))
    quoted = re.sub(r"'onnxquant [^'\n]*'", "", quoted)  # commands, which stay as they are
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*|-o\b", quoted))
    assert {"--force", "--size", "--tokens", "-o"} < named
    assert [name for name in named if in_python(f"{name} FILE") == f"{name} FILE"] == []


def test_progress_is_told_to_the_end(mlp: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    onnxquant.quantize(
        mlp, "fp16", output=tmp_path, progress=lambda done, total: calls.append((done, total))
    )
    assert calls
    assert calls[-1][0] == calls[-1][1] == 4 * (WIDTH * 4 * WIDTH + 2 * WIDTH)


def _large(tmp_path: Path, size: int = 1 << 27) -> Path:
    """Return a model of 512 MB of zeros (four times `size`), a sparse file."""
    model = make_mlp()
    weight = onnx.TensorProto(name="large", dims=[size], data_type=onnx.TensorProto.FLOAT)
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="large.bin")
    model.graph.initializer.append(weight)
    model.graph.node.append(onnx.helper.make_node("Neg", ["large"], ["z"], "neg"))
    model.graph.output.append(
        onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [size])
    )
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(4 * size)
    onnx.save(model, tmp_path / "large.onnx")
    return tmp_path / "large.onnx"


def test_an_exception_of_progress_stops_the_work_and_leaves_nothing(tmp_path: Path) -> None:
    def refuse(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        onnxquant.quantize(
            _large(tmp_path), "fp16", output=tmp_path / "out", progress=refuse, threads=1
        )
    assert list((tmp_path / "out").glob("*")) == []


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_stops_the_work_and_leaves_nothing(
    tmp_path: Path, interrupt: Callable[[], None]
) -> None:
    # Long enough that the timer is not too late on a busy machine.
    plan = onnxquant.plan(_large(tmp_path, 3 << 28), "fp16", output=tmp_path / "out")
    threading.Timer(0.05, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        plan.apply(threads=1)
    assert list((tmp_path / "out").glob("*")) == []


def test_other_threads_run_meanwhile(tmp_path: Path) -> None:
    plan = onnxquant.plan(_large(tmp_path), "fp16", output=tmp_path / "out")
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    plan.apply(threads=1)
    stop.set()
    thread.join()
    assert ticks > 20


def test_two_conversions_at_once_do_not_disturb_each_other(mlp: Path, tmp_path: Path) -> None:
    def convert(name: str) -> None:
        onnxquant.quantize(mlp, "q4", output=tmp_path / name)

    threads = [threading.Thread(target=convert, args=(str(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = _hashes(tmp_path / "0")
    assert expected
    assert all(_hashes(tmp_path / str(i)) == expected for i in range(8))


def test_a_folder_is_recovered(mlp: Path, tmp_path: Path) -> None:
    onnxquant.quantize(mlp, "fp16", output=tmp_path / "out")
    assert not onnxquant.recover(tmp_path / "out")
    litter = tmp_path / "out" / ".onnxquant-0123abcd-1-0123456789abcdef.tmp"
    litter.touch()
    recovered = onnxquant.recover(tmp_path / "out")
    assert recovered.removed == [str(litter)]
    assert (recovered.completed, recovered.restored) == ([], [])
    assert repr(recovered) == f"removed: {litter}"
    assert not litter.exists()
    with pytest.raises(onnxquant.UsageError, match="is no folder"):
        onnxquant.recover(tmp_path / "nowhere")
