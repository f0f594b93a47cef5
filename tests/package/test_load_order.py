"""The shared library in one process with another onnx on the system's libprotobuf."""

import itertools
import shutil
from pathlib import Path

import pytest
from conftest import Installed, must_run, run


@pytest.fixture(scope="module")
def libraries(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the two libraries and the program that loads them."""
    build = tmp_path_factory.mktemp("load_order")
    done = installed.configure(Path(__file__).parent / "load_order", build)
    assert done.returncode == 0, done.stdout
    must_run("cmake", "--build", build)
    return build


@pytest.mark.parametrize("scope", ["local", "global"])
@pytest.mark.parametrize(
    "order", list(itertools.permutations(("libown_onnx.so", "libuses_onnxquant.so")))
)
def test_both_work_in_either_order(
    order: tuple[str, str], scope: str, libraries: Path, model: Path
) -> None:
    paths = [libraries / name for name in order]
    assert must_run(libraries / "load", model, scope, *paths) == "used 2\n"


def test_two_copies_on_one_libprotobuf_would_end_the_process(
    libraries: Path, model: Path, tmp_path: Path
) -> None:
    """What the test above would see, were our protobuf the system's."""
    first = libraries / "libown_onnx.so"
    second = Path(shutil.copy(first, tmp_path / "libtwin.so"))
    done = run(libraries / "load", model, "local", first, second)
    assert done.returncode < 0
    assert "already exists in database" in done.stdout
