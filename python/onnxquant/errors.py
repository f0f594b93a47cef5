"""The package's exceptions: each says place, object, found, expected and remedy."""


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
