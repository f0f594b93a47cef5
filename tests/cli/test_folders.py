"""A folder of models that belong together is converted in one run."""

import json
from pathlib import Path

import onnx
import pytest
from program import run, small_model

NAMES = ("decoder_model_merged", "embed_tokens", "vision_encoder")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay a folder out as Transformers.js wants it: three models, one of them twice."""
    home = tmp_path / "model"
    (home / "onnx").mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        onnx.save(small_model(seed=seed), home / "onnx" / f"{name}.onnx")
    onnx.save(small_model(seed=7), home / "onnx" / "embed_tokens_q4.onnx")
    (home / "config.json").write_text('{"model_type": "x"}')
    return home


def _files(folder: Path) -> set[str]:
    """Return the names of the models; each output has a data file beside it."""
    return {path.name for path in folder.glob("*.onnx")}


def test_each_model_is_converted_and_the_configuration_learns_of_all(folder: Path) -> None:
    done = run("--policy", "fp16", folder)
    assert done.returncode == 0, done.stderr
    assert _files(folder / "onnx") == {
        *(f"{name}{suffix}.onnx" for name in NAMES for suffix in ("", "_fp16")),
        "embed_tokens_q4.onnx",
    }
    for name in NAMES:
        assert f"{name}.onnx: " in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("done: 3 models of "), last
    assert ", 6 files of " in last
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "x"
    named = config["transformers.js_config"]["use_external_data_format"]
    assert set(named) == {f"{name}_fp16.onnx" for name in NAMES}


def test_models_may_have_policies_and_dtypes_of_their_own(folder: Path) -> None:
    done = run(
        *("--policy", "q4f16", "--session", "vision*=fp16", "--session", "embed_tokens=skip"),
        *("--session", "decoder*=transformersjs:q8,fp16", "--no-config", folder),
    )
    assert done.returncode == 0, done.stderr
    made = _files(folder / "onnx") - {f"{name}.onnx" for name in NAMES} - {"embed_tokens_q4.onnx"}
    assert made == {
        "vision_encoder_fp16.onnx",
        "decoder_model_merged_fp16.onnx",
        "decoder_model_merged_quantized.onnx",
    }


def test_another_folder_is_laid_out_as_the_source(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("--policy", "fp16", "-o", out, folder).returncode == 0
    assert _files(out / "onnx") == {f"{name}_fp16.onnx" for name in NAMES}


def test_models_beside_the_configuration_are_found_too(tmp_path: Path) -> None:
    onnx.save(small_model(), tmp_path / "model_fp16.onnx")
    onnx.save(small_model(), tmp_path / "encoder.onnx")
    done = run("--policy", "q4", "-o", tmp_path / "out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert _files(tmp_path / "out") == {"model_q4.onnx", "encoder_q4.onnx"}


def test_nothing_is_written_before_all_models_are_planned(folder: Path) -> None:
    (folder / "onnx" / "vision_encoder.onnx").write_bytes(b"no model")
    done = run("--policy", "fp16", folder)
    assert done.returncode == 2
    assert "vision_encoder.onnx" in done.stderr
    assert not [name for name in _files(folder / "onnx") if "fp16" in name]


def test_what_was_converted_before_a_failure_is_said(folder: Path) -> None:
    (folder / "onnx" / "embed_tokens_fp16.onnx").write_bytes(b"")
    done = run("--policy", "fp16", folder)
    assert done.returncode == 4, done.stderr
    assert "embed_tokens_fp16.onnx" in done.stderr
    assert "1 of 3 models had been converted before this" in done.stderr
    assert run("--policy", "fp16", "--force", folder).returncode == 0


def test_a_plan_of_a_folder_shows_each_model(folder: Path) -> None:
    done = run("plan", "--policy", "q4", "--session", "vision*=fp16", folder)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if ", policy " in line] == [
        f"{folder / 'onnx' / name}.onnx, policy {policy}"
        for name, policy in zip(NAMES, ("q4", "q4", "fp16"), strict=True)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--session", "audio*=fp16"), "--session audio*=fp16 fits none of the models in "),
        (("--session", "fp16"), "--session: found 'fp16'; expected NAME=POLICY"),
        (("--session", "a="), "--session: found 'a='; expected NAME=POLICY"),
        (("--session", "*=fp16:"), "names no dtype beside the ':'"),
        (("--session", "*=:fp16"), "names no policy beside the ':'"),
        (("--session", "*=skip"), "--session leaves none of decoder_model_merged, "),
        (("--report", "r.json"), "--report is of one model, and "),
        (("-o", "one.onnx"), "names one file, and "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_arguments_that_do_not_fit_a_folder_are_refused(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run("--policy", "fp16", *arguments, folder)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert not [name for name in _files(folder / "onnx") if "fp16" in name]


def test_a_choice_for_a_single_model_is_refused(folder: Path) -> None:
    model = folder / "onnx" / "vision_encoder.onnx"
    done = run("--policy", "fp16", "--session", "*=q4", model)
    assert done.returncode == 1
    assert "--session is of the models in a folder" in done.stderr


def test_a_folder_without_sources_says_what_it_has(tmp_path: Path) -> None:
    done = run("--policy", "fp16", tmp_path)
    assert done.returncode == 2
    assert "no .onnx file is in it, nor in a subfolder 'onnx'" in done.stderr
    onnx.save(small_model(), tmp_path / "model_q4.onnx")
    done = run("--policy", "fp16", tmp_path)
    assert done.returncode == 2
    assert "its files (model_q4.onnx) are all of fewer bits" in done.stderr
