"""Breaks the source a little, again and again, and says which breaks no test notices.

    scripts/python.sh -m onnxquant_tools.mutate lib/kernels/half.cc lib/policy --count 40

Each argument is a file of lib/ or a folder of it. Changes are drawn by --seed; each is built and
tested alone, by the test of the file's folder and those that --tests adds. The work is done on a
copy of the checkout, in build/mutation. Exits with 1 where a change survives.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from onnxquant_tools.mutations import Mutation, mutations_of

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
SOURCE = WORK / "source"
BUILD = WORK / "build"
CMAKE = Path(sys.executable).with_name("cmake")  # of the environment that runs this
# An endless loop is noticed, too.
TEST_SECONDS = 60
KILLED, SURVIVED, BROKEN = "killed", "SURVIVED", "does not compile"


def _run(*command: str | Path, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        preexec_fn=lambda: os.nice(10),
    )


def _copy_checkout() -> None:
    """Bring the copy up to date; what did not change keeps its time, so that it is not rebuilt."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        origin, copy = ROOT / name, SOURCE / name
        if not origin.is_file():
            continue
        if not copy.is_file() or copy.read_bytes() != origin.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, copy)


def _configure() -> None:
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    done = _run(
        CMAKE, "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1", "-DONNXQUANT_WERROR=OFF", "-DONNXQUANT_BUILD_BENCHMARKS=OFF",
        "-DONNXQUANT_BUILD_TOOLS=OFF", *launcher,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(done.stderr)


def _build(targets: list[str], *, must: bool = False) -> bool:
    done = _run(CMAKE, "--build", BUILD, "--target", *targets)
    if must and done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return done.returncode == 0


def _passes(targets: list[str]) -> bool:
    for target in targets:
        (binary,) = BUILD.glob(f"tests/*/{target}")
        try:
            if _run(binary, "--gtest_brief=1", seconds=TEST_SECONDS).returncode != 0:
                return False
        except subprocess.TimeoutExpired:
            return False
    return True


def _judge(path: Path, mutation: Mutation, targets: list[str]) -> str:
    original = path.read_text(encoding="utf-8")
    path.write_text(mutation.apply(original), encoding="utf-8")
    try:
        if not _build(targets):
            return BROKEN
        return SURVIVED if _passes(targets) else KILLED
    finally:
        path.write_text(original, encoding="utf-8")


def _files(arguments: list[Path]) -> list[Path]:
    found: list[Path] = []
    for argument in arguments:
        inside = SOURCE / argument
        found += sorted(inside.glob("*.cc")) if inside.is_dir() else [inside]
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--tests", nargs="*", default=[], help="more test targets")
    return parser.parse_args()


def main() -> int:
    """Try a sample and print what becomes of each change."""
    arguments = _arguments()
    _copy_checkout()
    _configure()
    files = _files(arguments.paths)
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    everything = [(path, change) for path in files for change in mutations_of(texts[path])]
    sample = random.Random(arguments.seed).sample(everything, min(arguments.count, len(everything)))
    sample.sort(key=lambda item: (item[0], item[1].line))
    used = sorted({f"{path.parent.name}_test" for path, _ in sample} | set(arguments.tests))
    _build(used, must=True)
    if not _passes(used):
        sys.exit("mutate: the tests must pass before anything is changed")
    counts = dict.fromkeys((KILLED, SURVIVED, BROKEN), 0)
    end = time.monotonic() + arguments.seconds
    for path, mutation in sample:
        if time.monotonic() > end:
            break
        verdict = _judge(path, mutation, sorted({f"{path.parent.name}_test", *arguments.tests}))
        counts[verdict] += 1
        print(f"{verdict}: {path.relative_to(SOURCE)}:{mutation.describe()}", flush=True)
    _build(used)
    tried = sum(counts.values())
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    print(f"{tried} of {len(everything)} changes tried: {words}")
    return 1 if counts[SURVIVED] else 0


if __name__ == "__main__":
    sys.exit(main())
