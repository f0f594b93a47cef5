"""What an export refuses, and how it says so."""

from onnxquant.errors import ModelError


class CheckpointError(ModelError):
    """The checkpoint is missing, damaged, or not a Gemma 3 text model that can be exported.

    The message names the place, the object, what was found and expected, and a remedy.
    """
