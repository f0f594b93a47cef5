"""A model folder of onnxruntime-genai's builder, converted into another such folder.

python -m onnxruntime_genai.models.builder -i CHECKPOINT -o BUILT -p fp32 -e cpu
genai_folder.py BUILT FOLDER POLICY DTYPE
"""

import json
import shutil
import sys
from pathlib import Path

import onnxquant


def convert(built: Path, folder: Path, policy: str, dtype: str) -> onnxquant.Report:
    """Convert a folder's model; the new folder's genai_config.json names the new file.

    The builder's caches are float32, and genai makes them as the model declares them: so the
    policy's `io` may be float16.
    """
    report = onnxquant.quantize(built / "model.onnx", policy, dtypes=dtype, output=folder)
    for file in built.iterdir():
        if not file.name.startswith("model.onnx"):
            shutil.copy(file, folder)
    config_path = folder / "genai_config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["model"]["decoder"]["filename"] = report.paths[dtype].name
    config_path.write_text(json.dumps(config, indent=4), encoding="utf-8")
    return report


if __name__ == "__main__":
    print(convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
