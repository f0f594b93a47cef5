"""The notebooks as they are committed: without outputs, the same however they were written."""

import nbformat
import pytest
from executed import FOLDER

BOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def test_there_are_notebooks_and_the_readme_names_each() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(BOOKS) >= 2
    assert [name for name in BOOKS if name not in readme] == []


@pytest.mark.parametrize("name", BOOKS)
def test_a_notebook_is_valid_and_holds_no_outputs(name: str) -> None:
    book = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(book)
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    assert [cell.id for cell in book.cells] == [f"cell-{i}" for i in range(len(book.cells))]
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)
