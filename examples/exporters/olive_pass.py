"""onnxquant as a pass of Olive.

olive_pass.py MODEL.onnx FOLDER POLICY DTYPE

runs it as a workflow of its own. For `olive run`, its entry in the package configuration
(`--package-config`) is {"passes": {"OnnxquantPass": {"module_path": "olive_pass.OnnxquantPass"}}}.
"""

import json
import sys
from pathlib import Path
from typing import Any

import onnxquant
from olive.hardware.accelerator import AcceleratorSpec
from olive.model import ONNXModelHandler
from olive.package_config import OlivePackageConfig
from olive.passes import Pass
from olive.passes.pass_config import PassConfigParam
from olive.workflows import run


class OnnxquantPass(Pass):  # type: ignore[misc]  # Olive has no types
    """Convert an ONNX model as a policy says."""

    @classmethod
    def _default_config(cls, accelerator_spec: AcceleratorSpec) -> dict[str, Any]:
        return {
            "policy": PassConfigParam(
                type_=str, required=True, description="a built-in policy's name, or a YAML file"
            ),
            "dtype": PassConfigParam(
                type_=str, required=True, description="which of its outputs: fp16, q4, q4f16"
            ),
        }

    def _run_for_config(
        self, model: ONNXModelHandler, config: Any, output_model_path: str
    ) -> ONNXModelHandler:
        folder = Path(output_model_path)
        folder = folder.parent if folder.suffix == ".onnx" else folder
        folder.mkdir(parents=True, exist_ok=True)
        report = onnxquant.quantize(
            model.model_path,
            config.policy,
            dtypes=config.dtype,
            output=folder,
            update_config=False,
            force=True,  # Olive owns the folder, and may run the pass again
        )
        return ONNXModelHandler(str(folder), onnx_file_name=report.paths[config.dtype].name)


def convert(model: Path, folder: Path, policy: str, dtype: str) -> Path:
    """Run a workflow of this pass alone on a file, and return the new one."""
    packages = json.loads(Path(OlivePackageConfig.get_default_config_path()).read_text())
    packages["passes"]["OnnxquantPass"] = {"module_path": f"{__name__}.OnnxquantPass"}
    workflow = {
        "input_model": {"type": "ONNXModel", "model_path": str(model)},
        "passes": {"convert": {"type": "OnnxquantPass", "policy": policy, "dtype": dtype}},
        "output_dir": str(folder),
        "cache_dir": str(folder / "cache"),
    }
    best = run(workflow, package_config=packages).get_best_candidate()
    made: dict[str, str] = best.model_config
    return Path(made["model_path"]) / made["onnx_file_name"]


if __name__ == "__main__":
    print(convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
