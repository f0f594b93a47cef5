"""Prints "KEY FILE" for each source file on standard input: what clang-tidy's answer hangs on.

    git ls-files 'lib/*.cc' | python -m onnxquant_tools.tidy_keys BUILD

The key is a hash of the file, of the project's headers that it includes, as the compiler told
ninja when BUILD was made, and of .clang-tidy. A file that BUILD does not know ends with an error:
it would be checked against nothing.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def project_files(deps: Iterable[str], build: Path, root: Path) -> dict[Path, list[Path]]:
    """The source files in `ninja -t deps`' lines, with those files under `root` that each includes.

    A source that several targets compile includes the same files in each.
    """
    found: dict[Path, list[Path]] = {}
    files: list[Path] = []
    for line in deps:
        if not line.startswith("    "):
            files = []
            continue
        path = (build / line.strip()).resolve()
        if not path.is_relative_to(root) or path.is_relative_to(build):
            continue
        if not files and path.suffix == ".cc":
            found[path] = files
        files.append(path)
    return found


def key_of(files: Iterable[Path], root: Path) -> str:
    """A hash of the names and contents of `files`, whatever their order."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def main() -> None:
    """Reads names from standard input, relative to the root of the project."""
    build = Path(sys.argv[1]).resolve()
    root = Path.cwd().resolve()
    deps = subprocess.run(
        ["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True
    )
    known = project_files(deps.stdout.splitlines(), build, root)
    for name in sys.stdin.read().split():
        files = known.get(root / name)
        if files is None:
            sys.exit(f"{name}: {build} has not compiled it; run scripts/build.sh")
        print(key_of([*files, root / ".clang-tidy"], root), name)


if __name__ == "__main__":
    main()
