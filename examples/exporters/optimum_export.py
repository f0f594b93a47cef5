"""An export folder of optimum, and the files of a policy in it.

optimum_export.py CHECKPOINT FOLDER TASK POLICY

`optimum-cli export onnx` writes FOLDER/model.onnx beside config.json; Transformers.js wants it in
FOLDER/onnx.
"""

import sys
from pathlib import Path

import onnxquant
from optimum.exporters.onnx import main_export


def export(checkpoint: Path, folder: Path, task: str, policy: str) -> onnxquant.Report:
    """Export a checkpoint for a task, and convert it as a policy says."""
    main_export(str(checkpoint), folder, task=task, do_validation=False)
    onnx_folder = folder / "onnx"
    onnx_folder.mkdir()
    for file in folder.glob("model.onnx*"):
        file.rename(onnx_folder / file.name)
    return onnxquant.quantize(onnx_folder / "model.onnx", policy)


if __name__ == "__main__":
    print(export(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
