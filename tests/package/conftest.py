"""The package as it is installed, moved, and found by projects that know nothing of this one."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("ONNXQUANT_CACHE", Path.home() / ".cache" / "onnxquant"))
BIN = CACHE / "venv" / "bin"


def environment() -> dict[str, str]:
    """Return an environment in which CMake finds its tools and the compiler's cache."""
    ccache = {"CCACHE_DIR": str(CACHE / "ccache"), "CCACHE_BASEDIR": str(ROOT)}
    return {
        **ccache,
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "CMAKE_CXX_COMPILER_LAUNCHER": "ccache",
        "CMAKE_GENERATOR": "Ninja",
    }


def run(*command: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it did, its output and errors in one text."""
    return subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=environment() | changes,
    )


def must_run(*command: str | Path, **changes: str) -> str:
    """Run a command that has to succeed; return its output."""
    done = run(*command, **changes)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@dataclass(frozen=True)
class Installed:
    """Where onnxquant is installed, and onnx's package."""

    prefix: Path
    onnx_dir: Path

    def configure(
        self, source: Path, build: Path, *options: str
    ) -> subprocess.CompletedProcess[str]:
        """Configure a project that looks for packages where these are."""
        return run(
            *("cmake", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release"),
            f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DONNX_DIR={self.onnx_dir}",
            *options,
        )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build, install, and move the install tree: nothing may depend on where it was."""
    must_run(ROOT / "scripts" / "build.sh", "package")
    folder = tmp_path_factory.mktemp("installed")
    must_run("cmake", "--install", ROOT / "build" / "package", "--prefix", folder / "first")
    prefix = (folder / "first").rename(folder / "moved")
    return Installed(prefix, next(CACHE.glob("onnx-1.*")) / "lib" / "cmake" / "ONNX")


@pytest.fixture(scope="session")
def examples(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build examples/cpp against the install tree; return the folder of its programs."""
    build = tmp_path_factory.mktemp("examples")
    done = installed.configure(ROOT / "examples" / "cpp", build)
    assert done.returncode == 0, done.stdout
    must_run("cmake", "--build", build)
    return build


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of one MatMul with a weight of 64 by 64."""
    weight = onnx.helper.make_tensor("W", onnx.TensorProto.FLOAT, [64, 64], [0.5] * 4096)
    text = '<ir_version: 10, opset_import: ["": 21]> g (float[n,64] x) => (float[n,64] y)'
    parsed = onnx.parser.parse_model(text + " { y = MatMul(x, W) }")
    parsed.graph.initializer.append(weight)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(parsed, path)
    return path
