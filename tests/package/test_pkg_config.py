"""The file for pkg-config says where things are, whatever the folder of libraries is called."""

import os
from pathlib import Path

import pytest
from conftest import ROOT, must_run

SCRIPT = """
include("{root}/cmake/OnnxquantPkgConfig.cmake")
onnxquant_write_pkg_config("{file}")
"""


@pytest.mark.parametrize("libdir", ["lib", "lib64", "lib/x86_64-linux-gnu"])
def test_libraries_are_found_in_any_folder_of_a_moved_tree(libdir: str, tmp_path: Path) -> None:
    prefix = tmp_path / "moved"
    file = prefix / libdir / "pkgconfig" / "onnxquant.pc"
    _write(tmp_path, file, libdir, "include")
    for variable, folder in (("libdir", libdir), ("includedir", "include")):
        assert _variable(file, variable) == prefix / folder


def test_libraries_outside_the_prefix_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "onnxquant.pc"
    _write(tmp_path, file, "/opt/lib", "headers")
    assert _variable(file, "libdir") == Path("/opt/lib")
    assert _variable(file, "includedir") == Path("/usr/local/headers")


def _write(folder: Path, file: Path, libdir: str, includedir: str) -> None:
    script = folder / "write.cmake"
    script.write_text(SCRIPT.format(root=ROOT, file=file))
    places = {
        "CMAKE_INSTALL_PREFIX": "/usr/local",
        "CMAKE_INSTALL_LIBDIR": libdir,
        "CMAKE_INSTALL_INCLUDEDIR": includedir,
    }
    must_run("cmake", *(f"-D{name}={value}" for name, value in places.items()), "-P", script)


def _variable(file: Path, name: str) -> Path:
    found = must_run(
        "pkg-config", f"--variable={name}", "onnxquant", PKG_CONFIG_PATH=str(file.parent)
    )
    return Path(os.path.normpath(found.strip()))
