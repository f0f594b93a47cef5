"""The package in one process with others that carry protobuf and onnx, in any order."""

import itertools
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import onnx
import pybind11
import pytest

CACHE = Path(os.environ.get("ONNXQUANT_CACHE", Path.home() / ".cache" / "onnxquant"))
TEXT = '<ir_version: 8, opset_import: ["" : 17]> g (float[4] x) => (float[4] y) { y = Neg(x) }'

# Each library is really used: loading alone may not touch what clashes.
USE = {
    "onnxquant": "assert onnxquant.inspect({model!r})['nodes'] == 1",
    "onnx": "onnx.checker.check_model(onnx.load({model!r}), full_check=True)",
    "onnxruntime": "onnxruntime.InferenceSession({model!r}, providers=['CPUExecutionProvider'])",
    "second_onnx": "assert second_onnx.nodes({text!r}) == 1",
    "torch": "assert torch.ones(2).sum() == 2",
    "transformers": "transformers.Gemma3TextConfig()",
}


def _run(
    names: tuple[str, ...], model: Path, *, path: str = ""
) -> subprocess.CompletedProcess[str]:
    """Import the modules in this order, then use each."""
    lines = [f"import {name}" for name in names]
    lines += [USE[name].format(model=str(model), text=TEXT) for name in names]
    environment = os.environ | ({"PYTHONPATH": path} if path else {})
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of one node."""
    path = tmp_path_factory.mktemp("model") / "neg.onnx"
    onnx.save(onnx.parser.parse_model(TEXT), path)
    return path


@pytest.fixture(scope="module")
def second_onnx(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the second extension; return the folder that it is in."""
    folder = tmp_path_factory.mktemp("second")
    prefix = next(CACHE.glob("onnx-1.*"))
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    command = [
        *("g++", "-std=c++20", "-O0", "-fPIC", "-shared", "-fvisibility=hidden"),
        *("-DONNX_ML=1", "-DONNX_NAMESPACE=onnx", "-D__STDC_FORMAT_MACROS"),
        *(f"-I{pybind11.get_include()}", f"-I{sysconfig.get_path('include')}"),
        *(f"-I{prefix}/include", str(Path(__file__).with_name("second_onnx.cc"))),
        *("-o", str(folder / f"second_onnx{suffix}")),
        *(str(prefix / "lib" / "libonnx.a"), "-lprotobuf", "-Wl,--exclude-libs,ALL"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return str(folder)


@pytest.mark.parametrize(
    "names", list(itertools.permutations(("onnxquant", "onnx", "onnxruntime")))
)
def test_beside_onnx_and_onnxruntime(names: tuple[str, ...], model: Path) -> None:
    done = _run(names, model)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("names", [("onnxquant", "second_onnx"), ("second_onnx", "onnxquant")])
def test_beside_an_extension_with_its_own_onnx(
    names: tuple[str, ...], model: Path, second_onnx: str
) -> None:
    done = _run(names, model, path=second_onnx)
    assert done.returncode == 0, done.stderr


def test_two_copies_on_one_libprotobuf_would_end_the_process(
    model: Path, second_onnx: str, tmp_path: Path
) -> None:
    """What the test above would see, were the package's libprotobuf the system's."""
    copy = Path(second_onnx) / "second_onnx_copy.txt"
    copy.write_text("")
    extension = next(Path(second_onnx).glob("second_onnx.*.so"))
    twin = tmp_path / extension.name
    twin.write_bytes(extension.read_bytes())
    lines = [
        "import importlib.util, sys",
        f"for path in ({str(extension)!r}, {str(twin)!r}):",
        "    spec = importlib.util.spec_from_file_location('second_onnx', path)",
        "    importlib.util.module_from_spec(spec)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode < 0
    assert "already exists in database" in done.stderr


@pytest.mark.parametrize(
    "names",
    [
        ("onnxquant", "torch", "transformers", "onnxruntime"),
        ("torch", "transformers", "onnxruntime", "onnxquant"),
        ("transformers", "onnxquant", "onnx", "torch"),
    ],
)
def test_beside_torch_and_transformers(names: tuple[str, ...], model: Path) -> None:
    site = CACHE / "venv-torch" / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    if not (site / "torch").is_dir():
        pytest.fail("torch is not there; run scripts/setup_torch.sh")
    done = _run(names, model, path=str(site))
    assert done.returncode == 0, done.stderr


def test_the_exporter_needs_nothing_native() -> None:
    code = "import onnxquant.export, sys; assert 'onnxquant._native' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
