"""Checks that every source of clips passes, and helpers for small synthetic datasets."""

import shutil
from pathlib import Path

import openpyxl

#: Short, small clips: their content is irrelevant to these tests.
TINY = {"count": 6, "subjects": 2, "size": 24, "rest": 2, "duration": (0.04, 0.06)}


def check_truth(manifest, truth, *, source: str, apex: bool = True) -> None:
    """Check that the loaded samples equal the generator's truth."""
    kept = {s.path: s for s in manifest if s.split != "dropped"}
    assert {t.path for t in truth} == set(kept)
    for t in truth:
        s = kept[t.path]
        assert (s.subject, s.clip, s.label, s.source) == (t.subject, t.clip, t.label, source)
        assert (s.onset, s.apex, s.offset) == (t.onset, t.apex if apex else None, t.offset)
        assert s.fps == t.fps and s.note == "" and s.split == ""


def copied(drawn: Path, tmp_path: Path) -> Path:
    """A copy of a generated dataset that a test may modify."""
    return Path(shutil.copytree(drawn, tmp_path / drawn.name))


def edit(table: Path, change) -> None:
    """Change an .xlsx: `change(sheet)` with the first sheet."""
    book = openpyxl.load_workbook(table)
    change(book.worksheets[0])
    book.save(table)


def notes(manifest) -> list[str]:
    return [s.note for s in manifest if s.split == "dropped"]
