"""Every code block of the documentation runs, or stands in a list that says why it does not."""

import re
import subprocess
from pathlib import Path

import pytest
from blocks import BLOCKS, FILES, ROOT, Block, blocks_of, of, stray_fences
from onnxquant_tools.cache import cache_folder
from onnxquant_tools.product import program

# What sets up the machine, takes long, or needs what a test cannot have; and who runs it instead.
ELSEWHERE = {
    "scripts/demo.sh": "it is the demonstration itself: minutes, and the real model",
    "scripts/test.sh": "it runs this test",
    "scripts/fuzz.sh": "scripts/test.sh runs it, and coverage with --all",
    "pip install": "scripts/build_wheel.sh builds and scripts/test_wheel.sh tests the same package",
    "cmake --install": "tests/package installs and uses the package",
    "--adapter my-lora": "tests/export runs it on checkpoints that transformers and peft wrote",
    "ctest --preset": "scripts/test.sh runs them",
}
# Languages that are no program of ours: the tests that cover them.
OTHERS = {
    "text": "no command of ours, one's usage, which tests/cli/test_cli_reference.py holds, or what "
    "a cluster's scheduler reads, around a command that tests/cli/test_parts.py runs",
    "mermaid": "a chart of the table above it, which scripts/performance.sh writes with it",
    "js": "tests/web runs the same call in a browser",
    "cmake": "tests/package builds projects that say it",
}

# Every line must succeed. Random weights do not agree as trained ones do: a verification may find
# that (status 5), but must have run.
PRELUDE = """set -euo pipefail
onnxquant() {
  local status=0
  command onnxquant "$@" || status=$?
  [ "$status" -eq 0 ] || { [ "$status" -eq 5 ] && [ "$1" = verify ]; }
}
"""


def _ids(block: Block) -> str:
    return block.place


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.mark.parametrize("block", of("sh", "bash"), ids=_ids)
def test_a_shell_block_runs(block: Block, reader: Path, environment: dict[str, str]) -> None:
    if any(words in block.text for words in ELSEWHERE):
        for word in block.text.split():
            if word.startswith("scripts/") and word.endswith(".sh"):
                _run(["bash", "-n", str(ROOT / word)], reader, environment)
        return
    text = PRELUDE + block.text
    if "model_fp16.onnx" in text and "--policy" not in text:
        place = "onnx" if "onnx/model_fp16" in text else "."
        convert = [str(program()), "--policy", "gemma-web", f"{place}/model.onnx"]
        _run(convert, reader, environment)
    _run(["bash", "-c", text.replace("cpu,webgpu", "cpu,simulated")], reader, environment)


# Languages of Python blocks: the environment that they run in, and the script that makes it.
PYTHONS = {
    "python": ("venv-package", "test_wheel.sh"),
    "python before": ("venv-converters", "setup_converters.sh"),
}


@pytest.mark.parametrize("block", of(*PYTHONS), ids=_ids)
def test_a_python_block_runs_with_the_installed_packages(
    block: Block, reader: Path, environment: dict[str, str]
) -> None:
    name, script = PYTHONS[block.language]
    python = cache_folder() / name / "bin" / "python"
    assert python.is_file(), f"{python} is missing; run scripts/{script}"
    clean = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    _run([str(python), "-c", block.text], reader, clean)


@pytest.mark.parametrize("block", of("yaml"), ids=_ids)
def test_a_policy_is_one_that_a_gemma_can_be_planned_with(
    block: Block, reader: Path, environment: dict[str, str]
) -> None:
    (reader / "policy.yaml").write_text(block.text, encoding="utf-8")
    _run(["onnxquant", "plan", "--policy", "policy.yaml", "model.onnx"], reader, environment)


@pytest.mark.parametrize("block", of("cpp"), ids=_ids)
def test_a_cpp_block_compiles(block: Block, reader: Path, environment: dict[str, str]) -> None:
    lines = block.text.splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    body = [line for line in lines if not line.startswith("#include")]
    source = ["#include <iostream>", *includes, "int main() {", *body, "}"]
    (reader / "block.cc").write_text("\n".join(source) + "\n")
    flags = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    _run(["g++", *flags, f"-I{ROOT}/include", "block.cc"], reader, environment)


def test_every_block_is_of_a_known_kind() -> None:
    known = {"sh", "bash", "yaml", "cpp", *PYTHONS, *OTHERS}
    assert [block.place for block in BLOCKS if block.language not in known] == []
    assert len(of("sh")) > 10 and len(of("python")) > 3


def test_no_fence_escapes_the_search() -> None:
    for file in FILES:
        assert stray_fences(file) == [], file.name


def test_a_fence_that_is_indented_or_of_tildes_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\na\n```\n\n- item\n\n  ```sh\n  b\n  ```\n\n~~~\nc\n~~~\n")
    assert stray_fences(page) == [7, 9, 11, 13]


def test_a_line_that_fails_within_a_block_is_seen(
    reader: Path, environment: dict[str, str]
) -> None:
    for lines in ("onnxquant inspect none.onnx\ntrue\n", "onnxquant verify none.onnx a.onnx\n"):
        with pytest.raises(AssertionError, match=r"none\.onnx"):
            _run(["bash", "-c", PRELUDE + lines], reader, environment)


def test_every_excuse_is_needed() -> None:
    for words in ELSEWHERE:
        assert any(words in block.text for block in of("sh", "bash")), words


def test_blocks_are_found_with_their_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n\n```sh\necho one\n```\n\n```yaml\n- 1\n```\n")
    found = blocks_of(page)
    assert [(block.line, block.language, block.text) for block in found] == [
        (3, "sh", "echo one\n"),
        (7, "yaml", "- 1\n"),
    ]


def test_every_link_to_a_file_leads_somewhere() -> None:
    broken = [
        f"{file.name}: {target}"
        for file in FILES
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text(encoding="utf-8"))
        if not (file.parent / target).exists()
    ]
    assert broken == []
