"""What an export refuses, and how it says so."""


class CheckpointError(Exception):
    """The checkpoint is missing, damaged, or not a Gemma 3 text model that can be exported.

    The message names the place, the object, what was found and expected, and a remedy.
    """
