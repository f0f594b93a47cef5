"""The package's exceptions: each says place, object, found, expected and remedy."""

import re

# The command line's options, as messages of the native part name them, and the arguments here.
_ARGUMENTS = {
    "--cache": "cache",
    "--calibration FILE": "calibration=",
    "--dim": "dims=",
    "--dtype": "dtypes=",
    "--force": "force=True",
    "--format": "formats",
    "--gradients": "gradients",
    "--inputs": "inputs=",
    "--io": "io",
    "--manifest": "save_manifest()",
    "--max-error": "max_error",
    "--max-growth": "max_growth",
    "--max-kl": "max_kl",
    "--max-shard": "max_shard",
    "--memory": "memory",
    "--min-top1": "min_top1",
    "--no-config": "update_config=False",
    "--no-confirm": "confirm=False",
    "--part": "part",
    "--policy": "policy",
    "--ranges FILE": "ranges=",
    "--seed": "seed",
    "--session": "sessions",
    "--set": "rules",
    "--size": "size",
    "--target": "targets",
    "--tokens": "tokens",
    "-o": "output=",
}


# An option by itself: as part of a longer word or of a path it is none.
_OPTION = re.compile(rf"(?<![\w/.\\-])({'|'.join(map(re.escape, _ARGUMENTS))})(?![\w/\\-]|\.\w)")
# What is quoted: names, paths, and commands, which stay as they are.
_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)")
_PATH = re.compile(r"[/\\]|\.\w+[\d:]*$")


def in_python(message: str) -> str:
    """Return a message with the names of arguments in the place of options.

    The place that the message begins with, where it is a path, and what is quoted stay as they are:
    files may be named as options are.
    """
    place, colon, said = message.partition(": ")
    if not colon or not _PATH.search(place):
        place, colon, said = "", "", message
    parts = []
    end = 0
    for quoted in _QUOTED.finditer(said):
        parts += [_renamed(said[end : quoted.start()]), quoted[0]]
        end = quoted.end()
    return "".join([place, colon, *parts, _renamed(said[end:])])


def _renamed(text: str) -> str:
    return _OPTION.sub(lambda option: _ARGUMENTS[option[1]], text)


class OnnxquantError(Exception):
    """The base of all."""


class UsageError(OnnxquantError, ValueError):
    """The arguments are wrong."""


class ModelError(OnnxquantError):
    """The model is damaged, invalid or unsupported."""


class PolicyError(OnnxquantError):
    """The policy is wrong, or does not fit the model."""


class WriteError(OnnxquantError, OSError):
    """The outputs cannot be written, or exist already."""


class VerifyError(OnnxquantError):
    """A model cannot be run or compared."""


class CancelledError(OnnxquantError):
    """The work was told to stop."""


class InternalError(OnnxquantError):
    """A defect in onnxquant."""
