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
    "--set": "rules",
    "--size": "size",
    "--target": "targets",
    "--tokens": "tokens",
    "-o": "output=",
}


def in_python(message: str) -> str:
    """Return a message with the names of arguments in the place of options.

    Commands in quotes stay as they are.
    """
    options = "|".join(map(re.escape, _ARGUMENTS))
    pattern = rf"'onnxquant [^'\n]*'|(?<![\w-])({options})(?![\w-])"
    return re.sub(pattern, lambda m: _ARGUMENTS[m[1]] if m[1] else m[0], message)


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
