"""`python -m onnxquant` and `onnxquant`: the same command line as the C++ program's."""

import sys

from onnxquant import _native
from onnxquant.runner import load


def main() -> int:
    """Run the command line and return its exit status."""
    sys.stdout.flush()
    return _native.main(["onnxquant", *sys.argv[1:]], load)


if __name__ == "__main__":
    sys.exit(main())
