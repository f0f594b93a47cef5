"""The package as it is installed."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import onnxquant
import pytest


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_names_are_there_and_documented() -> None:
    for name in set(onnxquant.__all__) - {"__version__"}:
        assert getattr(onnxquant, name).__doc__, name
    assert set(onnxquant.__all__) <= set(dir(onnxquant))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = onnxquant.nothing  # type: ignore[attr-defined]


def test_the_stub_is_what_the_native_part_offers(tmp_path: Path) -> None:
    # pybind11's classes have a metaclass of their own; what they offer is checked all the same.
    options = ("Calibration", "Plan", "Ranges", "Tune", "Verify")
    classes = ("Model", "NativePlan", *(f"{name}Options" for name in options))
    allowed = tmp_path / "metaclasses"
    allowed.write_text("".join(f"onnxquant._native.{name}\n" for name in classes))
    command = ("-m", "mypy.stubtest", "onnxquant._native", "--allowlist", str(allowed))
    done = _run(sys.executable, *command)
    assert done.returncode == 0, done.stdout


def test_users_code_is_type_checked(tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text(
        "import onnxquant\n"
        "report: onnxquant.Report = onnxquant.quantize('m.onnx', 'fp16', output='out')\n"
        "sizes: list[int] = [output.bytes for output in report.outputs]\n"
        "calibration: onnxquant.Calibration = onnxquant.calibrate('m.onnx', 'c')\n"
        "tuning = onnxquant.tune('m.onnx', 'q4', size=9, calibration=calibration)\n"
        "onnxquant.plan('m.onnx', tuning.policy, calibration=calibration)\n"
    )
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import onnxquant\nonnxquant.quantize('m.onnx', 'fp16', outputs='out')\n"
        "onnxquant.quantise('m.onnx')\nonnxquant.tune('m.onnx', 'q4', size='200M')\n"
    )
    assert _run(sys.executable, "-m", "mypy", "--strict", str(good)).returncode == 0
    refused = _run(sys.executable, "-m", "mypy", "--strict", str(bad))
    assert refused.returncode == 1
    assert "outputs" in refused.stdout
    assert "quantise" in refused.stdout
    assert "size" in refused.stdout


def test_the_exporter_is_there_without_its_own_import() -> None:
    code = "import onnxquant; onnxquant.export.gemma3"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_is_installed() -> None:
    program = str(Path(sys.executable).with_name("onnxquant"))
    version = importlib.metadata.version("onnxquant")
    for command in ([program], [sys.executable, "-m", "onnxquant"]):
        assert _run(*command, "--version").stdout.strip() == f"onnxquant {version}"
        assert _run(*command, "plan", "--policy", "fp16", "nothing.onnx").returncode == 2
        assert _run(*command, "--no-such-option").returncode == 1
    assert onnxquant.__version__ == version


def test_the_exporter_converts_with_the_packages_own_program() -> None:
    code = "from onnxquant.export.conversion import find_program; print(find_program())"
    done = _run(sys.executable, "-c", code)
    assert done.stdout.strip() == str([sys.executable, "-m", "onnxquant"])


def test_the_wheel_carries_its_system_libraries() -> None:
    folder = Path(onnxquant.__file__ or "").parent
    native = next(folder.glob("_native.*.so"))
    needed = _run("ldd", str(native)).stdout
    assert "libprotobuf" in needed
    ours = ("libprotobuf", "libabsl", "libyaml", "libre2", "libtbb", "libhwy", "libcrypto")
    for line in needed.splitlines():
        if any(name in line for name in ours):
            assert "onnxquant.libs" in line, line
