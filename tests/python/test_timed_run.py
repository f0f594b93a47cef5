"""What a process takes is measured, and one that fails is told of."""

import sys
from pathlib import Path

import pytest
from onnxquant_tools.timed_run import FailedError, timed_copy, timed_process


def python(code: str) -> list[str | Path]:
    return [sys.executable, "-c", code]


def test_work_is_cpu_time_and_sleep_is_not() -> None:
    work = timed_process(python("import time\nwhile time.process_time() < 0.5: pass"))
    sleep = timed_process(python("import time\ntime.sleep(0.5)"))
    assert work.cpu_seconds >= 0.49
    assert sleep.seconds >= 0.5
    assert sleep.cpu_seconds < work.cpu_seconds


def test_memory_is_the_peak_of_what_the_process_asked_for() -> None:
    code = "import time\na = bytearray(200 << 20)\ntime.sleep(1)"
    assert timed_process(python(code)).peak > 200 << 20
    assert timed_process(python("pass")).peak < 100 << 20


def test_the_last_line_of_one_that_fails_is_the_error() -> None:
    with pytest.raises(FailedError, match=r"^no such luck$"):
        timed_process(python("import sys\nprint('first')\nsys.exit('no such luck')"))
    with pytest.raises(FailedError, match="status 3"):
        timed_process(python("import sys\nsys.exit(3)"))


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(FailedError, match="not done after 1 s"):
        timed_process(python("import time\ntime.sleep(60)"), 1)


def test_a_copy_is_of_every_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"12345")
    (source / "b").write_bytes(b"")
    _, total = timed_copy(source, tmp_path / "target")
    assert total == 5
    assert (tmp_path / "target" / "a").read_bytes() == b"12345"
    assert (tmp_path / "target" / "b").exists()
