"""Arguments that do not fit, and what is said of them; arguments before the name of a command."""

import re
from pathlib import Path

import pytest
from program import THREE, policy, run, save, small_model

CASES = [
    (("--polcy", "fp16", "m.onnx"), r"'--polcy' is not expected; did you mean '--policy'\?"),
    (
        ("plan", "--polcy=fp16", "m.onnx"),
        r"'--polcy=fp16' is not expected; did you mean '--policy'\?",
    ),
    (("check", "--jsn", "m.onnx"), r"'--jsn' is not expected; did you mean '--json'\?"),
    (("m.onnx", "inspct"), r"'inspct' is not expected; did you mean 'inspect'\?"),
    (("check", "a.onnx", "b.onnx", "c.onnx"), r"'b\.onnx', 'c\.onnx' are not expected;"),
    ((), r"MODEL is required;"),
    (("tune", "m.onnx", "-o", "t.yaml"), r"--size, --max-kl, --front or --part is required;"),
    (("plan", "--policy"), r"--policy: 1 required NAME\|FILE missing;"),
]


@pytest.mark.parametrize(("arguments", "said"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_a_wrong_argument_is_told_in_one_line_with_the_programs_name(
    arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    known = [word for word in arguments[:1] if word in ("plan", "check", "tune")]
    name = " ".join(["onnxquant", *known])
    assert re.fullmatch(rf"onnxquant: .*{said} '{name} --help' lists what is\n", done.stderr), (
        done.stderr
    )


def test_what_stands_before_a_command_holds_where_nothing_after_it_says_otherwise(
    tmp_path: Path,
) -> None:
    model, rules = save(small_model(), tmp_path), policy(tmp_path, THREE)
    for given, expected in (
        (("-p", rules, "-d", "q4", "plan", model), ("plan", "-p", rules, "-d", "q4", model)),
        (
            ("-p", rules, "-d", "q4", "plan", "-d", "fp16", model),
            ("plan", "-p", rules, "-d", "fp16", model),
        ),
        (("-q", "-p", rules, "plan", model), ("plan", "-q", "-p", rules, model)),
        (("-v", "inspect", "-q", model), ("inspect", "-q", model)),
    ):
        before, after = run(*given), run(*expected)
        assert (before.returncode, after.returncode) == (0, 0)
        assert before.stdout == after.stdout


def test_a_folder_before_a_command_is_not_its_file(tmp_path: Path) -> None:
    model, rules = save(small_model(), tmp_path), policy(tmp_path, THREE)
    done = run("-o", tmp_path / "out", "tune", "-p", rules, "--size", "1M", model)
    assert done.returncode == 1
    assert "-o is required" in done.stderr
