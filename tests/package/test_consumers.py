"""Projects that use onnxquant find it, link it, and convert with it."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from conftest import ROOT, Installed, must_run, run

_PROJECT = "cmake_minimum_required(VERSION 3.26)\nproject(p LANGUAGES CXX)\n"


def _types(path: Path) -> set[int]:
    model = onnx.load(path)
    onnx.checker.check_model(model)
    return {tensor.data_type for tensor in model.graph.initializer}


def test_a_program_of_ten_lines_converts_a_model(
    examples: Path, model: Path, tmp_path: Path
) -> None:
    out = must_run(examples / "convert", model, "fp16", tmp_path)
    assert out.startswith("model_fp16.onnx: ")
    assert _types(tmp_path / "model_fp16.onnx") == {onnx.TensorProto.FLOAT16}


def test_errors_reach_the_program(examples: Path, model: Path, tmp_path: Path) -> None:
    done = run(examples / "convert", model, "fp61", tmp_path)
    assert done.returncode == 2
    assert "did you mean" in done.stdout


def test_a_policy_built_in_code_decides(examples: Path, model: Path) -> None:
    out = must_run(examples / "policy_in_code", model)
    assert out.startswith("W: int4 block 32 symmetric, output 'q4f16' of policy mine sets")


@pytest.mark.parametrize("program", ["exporter_sharing_onnx", "exporter_beside_onnx"])
def test_an_exporter_that_links_onnx_converts_its_model_in_memory(
    program: str, examples: Path, tmp_path: Path
) -> None:
    report = json.loads(must_run(examples / program, tmp_path))
    assert report["outputs"][0]["tensors"][0]["format"] == "int4 block 32 symmetric"
    written = onnx.load(tmp_path / "model_q4f16.onnx")
    assert [node.op_type for node in written.graph.node].count("MatMulNBits") == 1


def test_the_exporter_shares_one_onnx_or_has_it_beside(examples: Path) -> None:
    """What the two programs need tells them apart: with and without our library."""
    sharing = must_run("readelf", "-d", examples / "exporter_sharing_onnx")
    beside = must_run("readelf", "-d", examples / "exporter_beside_onnx")
    assert "libprotobuf" in sharing and "libonnxquant" not in sharing
    assert "libprotobuf" in beside and "libonnxquant" in beside


def test_pkg_config_is_enough(installed: Installed, model: Path, tmp_path: Path) -> None:
    search = str(installed.prefix / "lib" / "pkgconfig")
    flags = must_run("pkg-config", "--cflags", "--libs", "onnxquant", PKG_CONFIG_PATH=search)
    source = ROOT / "examples" / "cpp" / "convert.cc"
    program = tmp_path / "convert"
    must_run("g++", source, "-o", program, *flags.split())
    library_path = str(installed.prefix / "lib")
    must_run(program, model, "fp16", tmp_path, LD_LIBRARY_PATH=library_path)
    assert (tmp_path / "model_fp16.onnx").is_file()


def test_a_project_can_hold_the_source(model: Path, tmp_path: Path) -> None:
    # In this project's build folder, so that the compiler's cache knows the files.
    build = ROOT / "build" / "package_subdirectory"
    shutil.rmtree(build, ignore_errors=True)
    source = Path(__file__).parent / "subdirectory"
    must_run(
        "cmake",
        "-S",
        source,
        "-B",
        build,
        f"-DONNXQUANT_SOURCE={ROOT}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DONNXQUANT_WERROR=ON",  # the flags of this project's own build: ccache has the objects
    )
    must_run("cmake", "--build", build, "--target", "convert")
    must_run(build / "convert", model, "fp16", tmp_path)
    assert _types(tmp_path / "model_fp16.onnx") == {onnx.TensorProto.FLOAT16}
    done = run("cmake", "--install", build, "--prefix", tmp_path / "nothing")
    assert done.returncode == 0 and not list((tmp_path / "nothing").rglob("*onnxquant*"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("0.2 REQUIRED", "version: 0.1.0"),
        ("0.1 REQUIRED COMPONENTS fast", "no component 'fast'; installed are: static shared"),
    ],
)
def test_what_is_not_installed_is_refused_by_name(
    wanted: str, said: str, installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "CMakeLists.txt").write_text(_PROJECT + f"find_package(onnxquant {wanted})\n")
    done = installed.configure(tmp_path, tmp_path / "build")
    assert done.returncode != 0
    assert said in " ".join(done.stdout.split())


def test_the_static_library_says_that_onnx_is_missing(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        _PROJECT + "find_package(onnxquant REQUIRED COMPONENTS static)\n"
    )
    done = installed.configure(tmp_path, tmp_path / "build", "-DONNX_DIR=/nowhere")
    assert done.returncode != 0
    assert "-DONNX_DIR=" in " ".join(done.stdout.split())
