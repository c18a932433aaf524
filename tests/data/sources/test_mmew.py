import shutil

import openpyxl
import pytest

from keras_mer import synthetic
from keras_mer.data import sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY, notes

HEADER = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units",
          "Estimated Emotion", "remarks")  # fmt: skip


def test_a_tree_as_published(tmp_path):
    truth = synthetic.write_casme2(tmp_path / "drawn", classes=("happy", "disgust"), **TINY)
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for k, t in enumerate(truth):
        word = {"happy": "happiness"}.get(t.label, t.label)
        name = f"S{k % 2 + 1:02d}-0{k % 7}-{k:03d}"
        target = tmp_path / "mmew" / "Micro_Expression" / word / name
        target.mkdir(parents=True)
        for file in (tmp_path / "drawn" / t.path).iterdir():
            number = int(file.stem.removeprefix("reg_img"))
            shutil.copy(file, target / f"{number - t.onset + 3}.jpg")
        rise, fall = t.apex - t.onset, t.offset - t.onset
        book.active.append((k % 2 + 1, name, 3, 3 + rise, 3 + fall, "12", word, None))
    book.save(tmp_path / "mmew" / "MMEW_Micro_Exp.xlsx")
    shutil.copytree(target, tmp_path / "mmew" / "Macro_Expression" / "S01" / "anger")
    manifest = sources.load("mmew", tmp_path / "mmew")
    assert not notes(manifest) and len(manifest) == len(truth)
    for s, t in zip(manifest, truth, strict=True):
        assert (s.label, s.fps, s.onset) == (t.label, 90.0, 3)
        assert (s.apex, s.offset) == (3 + t.apex - t.onset, 3 + t.offset - t.onset)
        assert s.subject in ("S01", "S02") and s.path.endswith(s.clip)


def test_no_table(tmp_path):
    with pytest.raises(UserError, match=r"no MMEW_Micro_Exp.xlsx here; ask the authors"):
        sources.load("mmew", tmp_path)
