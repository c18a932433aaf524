"""The notebooks run, and what they show is kept in them."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "docs/notebooks").glob("*.ipynb"))


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_outputs_are_kept_and_small(path):
    notebook = nbformat.read(path, 4)
    assert path.stat().st_size < 400_000
    for number, cell in enumerate(code(notebook), 1):
        assert cell.execution_count == number, "run it from top to bottom before you keep it"
        assert cell.outputs
        assert not any(out.output_type == "error" for out in cell.outputs)
    text = path.read_text(encoding="utf-8")
    for private in (str(REPOSITORY), "/tmp/", "/home/", "I0000 00:00", "INFO:tensorflow"):
        assert private not in text


@pytest.mark.slow
def test_they_run_from_top_to_bottom(tmp_path, monkeypatch):
    """In one kernel, which loads TensorFlow once; each starts without the others' names."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    whole = nbformat.v4.new_notebook()
    for path in NOTEBOOKS:
        whole.cells += [nbformat.v4.new_code_cell("%reset -f"), *code(nbformat.read(path, 4))]
    NotebookClient(
        whole, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert all(cell.execution_count for cell in whole.cells)


def test_there_are_the_four():
    assert [p.stem for p in NOTEBOOKS] == ["1-data", "2-baseline", "3-transfer", "4-clips"]
