"""Conversion, calibration and tuning over a Dask cluster: local, SSH, Slurm, Kubernetes.

    onnxquant.plan("model.onnx", "gemma-web", output="out").save_manifest("plan.json")
    with distributed.Client("scheduler:8786") as client:
        onnxquant.distributed.convert("plan.json", client)

Workers and scheduler need the package `distributed` (`pip install "onnxquant[distributed]"`), and
the workers a file system in which manifest, model and outputs have the same paths. Without a client
the same calls run in this process, and need neither.
"""

from onnxquant.distributed.calibration import calibrate
from onnxquant.distributed.conversion import convert
from onnxquant.distributed.tuning import tune

__all__ = ["calibrate", "convert", "tune"]
