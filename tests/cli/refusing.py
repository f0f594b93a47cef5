"""What every refusal has in common."""

from pathlib import Path

from program import listing, run


def refuses(
    folder: Path,
    status: int,
    *expected: str,
    arguments: tuple[str | Path, ...] = (),
    model: str = "model.onnx",
) -> str:
    """Convert `model` by p.yaml: it must end with `status`, say the words, and write nothing.

    `folder` holds all that the run may see; its files must be the same afterwards, byte for byte.
    Returns the message.
    """
    before = listing(folder)
    done = run("--policy", folder / "p.yaml", *arguments, folder / model)
    assert done.returncode == status, done.stderr
    for words in expected:
        assert words in done.stderr
    assert done.stderr.startswith("onnxquant: ") or "\nonnxquant: " in done.stderr
    assert done.stdout == ""
    assert listing(folder) == before
    return done.stderr
