"""A notebook as it is after its cells have run, and the variables that they have left."""

import ast
import base64
import io
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from matplotlib import image
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"


class Executed:
    """Runs a notebook; a cell that fails fails the run."""

    def __init__(self, name: str, questions: dict[str, str]) -> None:
        """Run the notebook `name`, and then evaluate each question in its kernel."""
        book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        asked = "\n".join(f"print(repr({code}))" for code in questions.values())
        book.cells.append(nbformat.v4.new_code_cell(asked))
        NotebookClient(book, timeout=600, kernel_name="python3").execute()
        self.cells = book.cells[:-1]
        lines = "".join(output["text"] for output in book.cells[-1].outputs).splitlines()
        self._answers = {
            key: ast.literal_eval(line) for key, line in zip(questions, lines, strict=True)
        }

    def __getitem__(self, question: str) -> Any:
        return self._answers[question]

    def shown(self, kind: str) -> list[str]:
        """Return what the cells show of one kind: text/html, image/png."""
        return [
            output["data"][kind]
            for cell in self.cells
            for output in cell.get("outputs", [])
            if kind in output.get("data", {})
        ]

    def plots(self) -> list[np.ndarray[Any, Any]]:
        """Return the plots' pixels."""
        return [
            np.asarray(image.imread(io.BytesIO(base64.b64decode(png)), format="png"))
            for png in self.shown("image/png")
        ]


def colors_of(pixels: np.ndarray[Any, Any]) -> int:
    """Return how many colours a plot has; text alone has a few shades of grey."""
    rgb = (pixels[..., :3] * 255).round().astype(int)
    colored = rgb[rgb.max(axis=-1) - rgb.min(axis=-1) > 60]
    return len(np.unique(colored, axis=0))
