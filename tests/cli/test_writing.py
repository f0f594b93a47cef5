"""Outputs appear whole or not at all, and never in the place of something precious."""

import errno
import os
import resource
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from program import FP16, THREE, listing, policy, run, save, small_model
from refusing import refuses


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a model, its data file and a policy."""
    inner = tmp_path / "here"
    inner.mkdir()
    save(small_model(), inner, external=True)
    policy(inner)
    return inner


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a tmpfs with the given options."""
    place = tmp_path / "mount"
    place.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("a file system cannot be mounted here (that needs root)")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def test_one_existing_file_of_several_stops_all(folder: Path) -> None:
    policy(folder, THREE)
    (folder / "model_q4f16.onnx_data").write_text("precious")
    refuses(folder, 4, "model_q4f16.onnx_data: exists already; --force replaces it")


def test_force_replaces_what_exists(folder: Path) -> None:
    (folder / "model_fp16.onnx").write_text("old")
    (folder / "model_fp16.onnx_data").write_text("old")
    done = run("--policy", folder / "p.yaml", "--force", folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    onnx.load(folder / "model_fp16.onnx")
    assert len(listing(folder)) == 5


def test_a_folder_in_the_place_of_an_output_is_kept_even_by_force(folder: Path) -> None:
    (folder / "model_fp16.onnx").mkdir()
    refuses(folder, 4, "model_fp16.onnx: is a folder", arguments=("--force",))


def test_a_dangling_link_in_the_place_of_an_output_counts_as_existing(folder: Path) -> None:
    (folder / "model_fp16.onnx").symlink_to("../elsewhere")
    refuses(folder, 4, "model_fp16.onnx: exists already")
    done = run("--policy", folder / "p.yaml", "--force", folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert not (folder / "model_fp16.onnx").is_symlink()
    assert not (folder.parent / "elsewhere").exists()


@pytest.mark.parametrize("link", ["symbolic", "hard"])
@pytest.mark.parametrize("target", ["model.onnx", "model.onnx_data"])
@pytest.mark.parametrize("name", ["model_fp16.onnx", "model_fp16.onnx_data"])
def test_a_link_to_a_part_of_the_input_is_never_replaced(
    folder: Path, link: str, target: str, name: str
) -> None:
    if link == "symbolic":
        (folder / name).symlink_to(target)
    else:
        (folder / name).hardlink_to(folder / target)
    refuses(folder, 4, f"{name}: is part of the input", "-o", arguments=("--force",))


def test_a_policy_that_writes_float32_beside_the_input_is_refused(folder: Path) -> None:
    policy(folder, FP16.replace("fp16:", "fp32:"))
    for arguments in ((), ("--force",), ("-o", folder), ("--force", "-o", f"{folder}/../here/.")):
        refuses(folder, 4, "is part of the input", arguments=arguments)


def test_a_policy_that_writes_float32_may_write_elsewhere(folder: Path) -> None:
    policy(folder, FP16.replace("fp16:", "fp32:"))
    done = run("--policy", folder / "p.yaml", "-o", folder / "new", folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert sorted(listing(folder / "new")) == ["model.onnx", "model.onnx_data"]


def test_old_shards_are_not_removed_when_they_are_the_input(folder: Path) -> None:
    """A forced run removes its own old shards; here the input's data has such a name."""
    model = onnx.load(folder / "model.onnx")
    (folder / "model.onnx_data").unlink()
    onnx.save_model(
        model,
        folder / "model.onnx",
        save_as_external_data=True,
        location="model_fp16.onnx_data_1",
        size_threshold=0,
    )
    data = (folder / "model_fp16.onnx_data_1").read_bytes()
    done = run("--policy", folder / "p.yaml", "--force", folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert (folder / "model_fp16.onnx_data_1").read_bytes() == data


@pytest.mark.parametrize("target", ["model.onnx", "model.onnx_data", "p.yaml"])
def test_the_report_never_replaces_the_input(folder: Path, target: str) -> None:
    arguments = ("--force", "--report", folder / target)
    refuses(folder, 4, f"{target}: ", "input", arguments=arguments)


def test_the_report_replaces_a_file_only_by_force(folder: Path) -> None:
    (folder / "r.json").write_text("precious")
    arguments = ("--report", folder / "r.json")
    refuses(folder, 4, "r.json: exists already", "--force", arguments=arguments)
    done = run("--policy", folder / "p.yaml", "--force", *arguments, folder / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert (folder / "r.json").read_text().startswith("{")


def test_a_report_that_cannot_be_written_stops_the_run_before_it_writes(folder: Path) -> None:
    refuses(folder, 4, "/proc/missing", arguments=("--report", "/proc/missing/r.json"))
    (folder / "file").write_text("")
    refuses(folder, 4, "file", "not a folder", arguments=("--report", folder / "file" / "r.json"))


def test_the_report_is_no_name_for_one_of_the_runs_own_files(folder: Path) -> None:
    (folder / "config.json").write_text("{}")
    for name in ("model_fp16.onnx", "model_fp16.onnx_data", "config.json"):
        arguments = ("--force", "--report", folder / ".." / "here" / name)
        refuses(folder, 4, name, "written by this run itself", arguments=arguments)


def test_a_failed_run_leaves_no_report(folder: Path) -> None:
    (folder / "model_fp16.onnx").write_text("precious")
    refuses(folder, 4, "exists already", arguments=("--report", folder / "new" / "r.json"))


def test_a_folder_below_a_file_is_refused(folder: Path) -> None:
    (folder / "file").write_text("")
    refuses(folder, 4, "file/out", arguments=("-o", folder / "file" / "out"))


def test_a_folder_that_may_not_be_made_is_refused(folder: Path) -> None:
    refuses(folder, 4, "/proc/onnxquant", arguments=("-o", "/proc/onnxquant"))


def test_no_folder_is_left_behind_when_the_run_fails(folder: Path) -> None:
    """The damaged config.json is found only when the outputs' folder and files exist."""
    (folder / "config.json").write_text("not json")
    new = folder / "onnx"
    refuses(folder, 2, "config.json:1:2: is not valid JSON", "--no-config", arguments=("-o", new))
    done = run("--policy", folder / "p.yaml", "--no-config", "-o", new, folder / "model.onnx")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_leaves_the_folder_as_it_was(
    folder: Path, mounted: Callable[[str], Path], force: bool
) -> None:
    """A megabyte holds the old output, but not the new one beside it."""
    save(small_model(1024, 512), folder, external=True)
    disk = mounted("size=1m")
    if force:
        (disk / "model_fp16.onnx").write_text("old")
        (disk / "model_fp16.onnx_data").write_bytes(bytes(10_000))
    before = listing(disk)
    options = ("--force",) if force else ()
    words = ("model_fp16.onnx_data: ", "No space left on device", "choose another folder (-o)")
    refuses(folder, 4, *words, arguments=(*options, "-o", disk / "new" / "deep"))
    refuses(folder, 4, *words, arguments=(*options, "-o", disk))
    assert listing(disk) == before


def test_a_disk_too_full_for_the_last_of_three_outputs_gets_none(
    folder: Path, mounted: Callable[[str], Path]
) -> None:
    save(small_model(512, 256), folder, external=True)
    policy(folder, THREE)
    disk = mounted("size=1100k")
    refuses(folder, 4, "model_q4f16.onnx", "No space left on device", arguments=("-o", disk))
    assert list(disk.iterdir()) == []


def test_a_read_only_disk_is_named(folder: Path, mounted: Callable[[str], Path]) -> None:
    disk = mounted("ro,size=1m")
    for place in (disk, disk / "new"):
        words = (str(place), "Read-only file system", "choose another folder (-o)")
        refuses(folder, 4, *words, arguments=("-o", place))


def test_a_model_on_a_read_only_disk_is_converted_elsewhere(
    folder: Path, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("size=1m")
    save(small_model(), disk, external=True)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = run("--policy", folder / "p.yaml", disk / "model.onnx")
    assert (done.returncode, done.stdout) == (4, "")
    assert os.strerror(errno.EROFS) in done.stderr
    done = run("--policy", folder / "p.yaml", "-o", folder / "out", disk / "model.onnx")
    assert done.returncode == 0, done.stderr


def test_a_limit_on_file_sizes_ends_the_run_with_a_message(folder: Path) -> None:
    """The limit comes with a signal that ends programs that do not ask for the error instead."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    before = listing(folder)
    done = run("--policy", folder / "p.yaml", folder / "model.onnx", preexec_fn=limit)
    assert done.returncode == 4, done.stderr
    assert "model_fp16.onnx_data: " in done.stderr
    assert "File too large" in done.stderr
    assert listing(folder) == before


@pytest.fixture
def config(folder: Path) -> Path:
    """Return a config.json beside the model."""
    path = folder / "config.json"
    path.write_text('{"model_type": "small"}\n')
    return path


def _convert(folder: Path, *arguments: str | Path) -> None:
    done = run("--policy", folder / "p.yaml", *arguments, folder / "model.onnx")
    assert done.returncode == 0, done.stderr


def test_what_is_no_file_is_never_replaced_even_by_force(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "to the pipe").symlink_to("pipe")
    (folder / "to null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
    places = {
        "pipe": "is a pipe",
        "to the pipe": "is a pipe",
        "to null": "is a device",
        "socket": "is a socket",
    }
    for name, words in places.items():
        for force in ((), ("--force",)):
            arguments = (*force, "--report", folder / name)
            refuses(folder, 4, name, words, "--report", arguments=arguments)
    refuses(folder, 4, "/dev/null: is a device", arguments=("--force", "--report", "/dev/null"))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (folder / "pipe").rename(folder / "model_fp16.onnx")
    refuses(folder, 4, "model_fp16.onnx: is a pipe", arguments=("--force",))


def test_a_link_to_a_file_is_replaced_and_the_file_is_kept(folder: Path) -> None:
    (folder / "blob").write_text("precious")
    (folder / "model_fp16.onnx").symlink_to("blob")
    refuses(folder, 4, "model_fp16.onnx: exists already")
    _convert(folder, "--force")
    assert not (folder / "model_fp16.onnx").is_symlink()
    assert (folder / "blob").read_text() == "precious"


def test_a_config_that_is_a_link_is_replaced_and_its_file_is_kept(
    folder: Path, config: Path, tmp_path: Path
) -> None:
    """What it leads to may be shared, and named for its content."""
    (tmp_path / "shared").mkdir()
    config.rename(tmp_path / "shared" / "common.json")
    config.symlink_to("../shared/common.json")
    _convert(folder)
    assert not config.is_symlink()
    assert "use_external_data_format" in config.read_text()
    assert (tmp_path / "shared" / "common.json").read_text() == '{"model_type": "small"}\n'


def test_a_read_only_config_is_left_alone(folder: Path, config: Path) -> None:
    config.chmod(0o444)
    refuses(folder, 4, "config.json: is read-only", "--no-config")
    _convert(folder, "--no-config")
    assert config.read_text() == '{"model_type": "small"}\n'


def test_replaced_files_keep_their_mode(folder: Path, config: Path) -> None:
    config.chmod(0o604)
    (folder / "model_fp16.onnx").write_text("old")
    (folder / "model_fp16.onnx").chmod(0o600)
    _convert(folder, "--force")
    assert stat.S_IMODE(config.stat().st_mode) == 0o604
    assert stat.S_IMODE((folder / "model_fp16.onnx").stat().st_mode) == 0o600
