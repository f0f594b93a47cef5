"""From a checkpoint to an ONNX model folder: Gemma 3 text models, without torch.

    from onnxquant import export
    export.gemma3("my-fine-tune", "web", quantize=["fp16", "q4f16"])

or `python -m onnxquant.export my-fine-tune web --quantize fp16 q4f16`.
"""

from typing import TYPE_CHECKING, Any

from onnxquant.export.errors import CheckpointError

if TYPE_CHECKING:
    from onnxquant.export.conversion import ConversionError
    from onnxquant.export.pipeline import Exported, gemma3

__all__ = ["CheckpointError", "ConversionError", "Exported", "gemma3"]


def __getattr__(name: str) -> Any:
    # Late: reading a checkpoint's vocabulary needs neither onnx nor onnx_ir.
    if name in __all__:
        from onnxquant.export import conversion, pipeline

        return getattr(conversion if name == "ConversionError" else pipeline, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
