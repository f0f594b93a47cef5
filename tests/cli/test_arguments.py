"""What is said of arguments that do not fit: a line with the program's name, and what was meant."""

import re

import pytest
from program import run

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
    (("m.onnx",), r"--policy .* is required;"),
    (("plan", "--policy"), r"--policy: 1 required NAME\|FILE missing;"),
]


@pytest.mark.parametrize(("arguments", "said"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_a_wrong_argument_is_told_in_one_line_with_the_programs_name(
    arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    known = [word for word in arguments[:1] if word in ("plan", "check")]
    name = " ".join(["onnxquant", *known])
    assert re.fullmatch(rf"onnxquant: .*{said} '{name} --help' lists what is\n", done.stderr), (
        done.stderr
    )
