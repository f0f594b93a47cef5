"""Real models from other exporters keep their answers, and halve, under the policy `fp16`."""

import subprocess
from pathlib import Path
from typing import Any

import onnx
import pytest
from agreement import worst_error
from expectations import EXPECTED, FAULTS_ON_CPU, FAULTS_ON_WEBGPU
from packaged import Convert, Provider, RunFile

NAMES = list(EXPECTED)


def _named(known: dict[str, str]) -> list[Any]:
    """Return all models, those with a known fault as tests that must fail."""
    return [
        pytest.param(n, marks=pytest.mark.xfail(reason=known[n], strict=True)) if n in known else n
        for n in NAMES
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_model_converts(name: str, convert: Convert) -> None:
    done = convert(name)
    assert done.status == 0, done.errors


@pytest.mark.parametrize("name", NAMES)
def test_the_converted_model_passes_the_checker_as_the_input_does(
    name: str, convert: Convert
) -> None:
    done = convert(name)
    onnx.checker.check_model(done.source, full_check=True)
    onnx.checker.check_model(done.output, full_check=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_converted_model_is_as_small_as_expected(name: str, convert: Convert) -> None:
    done = convert(name)
    share = done.size() / done.source.stat().st_size
    print(f"{name}: {share:.1%} of the input")
    assert share <= EXPECTED[name].size


def _convert_again(binary: Path, model: Path, folder: Path) -> None:
    command: list[str | Path] = [binary, "--quiet", "--policy", "fp16", "-o", folder, model]
    subprocess.run(command, check=True, timeout=120)


def _casts(path: Path) -> int:
    def count(graph: onnx.GraphProto) -> int:
        bodies = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
        own: int = sum(node.op_type == "Cast" for node in graph.node)
        return own + sum(map(count, bodies))

    return count(onnx.load(path, load_external_data=False).graph)


@pytest.mark.parametrize("name", NAMES)
def test_converting_twice_gives_the_same_bytes(
    name: str, binary: Path, convert: Convert, tmp_path: Path
) -> None:
    done = convert(name)
    _convert_again(binary, done.source, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        p.name: p.read_bytes() for p in done.output.parent.iterdir()
    }


@pytest.mark.parametrize("name", NAMES)
def test_converting_the_converted_model_changes_nothing(
    name: str, binary: Path, convert: Convert, tmp_path: Path
) -> None:
    done = convert(name)
    _convert_again(binary, done.output, tmp_path)
    again = tmp_path / done.output.name
    assert _casts(again) == _casts(done.output)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        p.name: p.read_bytes() for p in done.output.parent.iterdir()
    }


def _check_agreement(name: str, provider: Provider, convert: Convert, run_file: RunFile) -> None:
    done, expected = convert(name), EXPECTED[name]
    reference = expected.webgpu_reference if provider == "webgpu" else "cpu"
    before = run_file(name, reference, done.source)
    after = run_file(name, provider, done.output)
    error = worst_error(before, after)
    print(f"{name}: error {error:.1e} on {provider}")
    assert error <= getattr(expected, provider)
    if expected.meaning is not None:
        assert expected.meaning(after) == expected.meaning(before)


@pytest.mark.parametrize("name", _named(FAULTS_ON_CPU))
def test_the_converted_model_agrees_on_the_cpu(
    name: str, convert: Convert, run_file: RunFile
) -> None:
    _check_agreement(name, "cpu", convert, run_file)


@pytest.mark.parametrize("name", _named(FAULTS_ON_WEBGPU))
def test_the_converted_model_agrees_in_true_half_precision_on_webgpu(
    name: str, convert: Convert, run_file: RunFile
) -> None:
    _check_agreement(name, "webgpu", convert, run_file)


def test_the_reader_reads_the_text_that_the_page_shows(convert: Convert, run_file: RunFile) -> None:
    """The inputs are such that the models have something to find."""
    source = convert("ocr-reader").source
    properties = onnx.load(source).metadata_props
    letters = next(p.value for p in properties if p.key == "character").splitlines()
    meaning = EXPECTED["ocr-reader"].meaning
    assert meaning is not None
    read = "".join(letters[number - 1] for number in meaning(run_file("ocr-reader", "cpu", source)))
    assert read == "HEX247"
