import shutil

import openpyxl
import pytest

from keras_mer import synthetic
from keras_mer.data import sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY, notes

HEADER = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")


@pytest.mark.parametrize("cut", [True, False])
def test_a_tree_as_published(tmp_path, cut):
    truth = synthetic.write_casme2(tmp_path / "drawn", classes=("happy", "fear"), **TINY)
    root = tmp_path / "casme3"
    book = openpyxl.Workbook()
    book.active.title = "label"
    book.active.append(HEADER)
    for k, t in enumerate(truth):
        subject, name = f"spNO.{k % 2 + 1}", "abcdef"[k]
        place = (
            f"Part_A_ME_clip/frame/{subject.lower()}_{name}_{t.onset}" if cut
            else f"data/{subject}/{name}/color"
        )  # fmt: skip
        (root / place).mkdir(parents=True)
        for file in (tmp_path / "drawn" / t.path).iterdir():
            shutil.copy(file, root / place / f"{int(file.stem.removeprefix('reg_img'))}.jpg")
        shutil.copytree(
            root / place, root / place.replace("frame", "depth").replace("color", "depth")
        )
        row = (subject, name.upper(), t.onset, t.apex, t.offset, "12", 1, t.label)
        book.active.append(row)
    book.save(root / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx")
    manifest = sources.load("casme3", root)
    assert not notes(manifest) and len(manifest) == len(truth)
    for s, t in zip(manifest, truth, strict=True):
        assert (s.label, s.fps) == (t.label, 30.0)
        assert (s.onset, s.apex, s.offset) == (t.onset, t.apex, t.offset)
        assert s.clip.endswith(f"_{t.onset}") and s.subject.startswith("spNO.")


def test_no_table(tmp_path):
    with pytest.raises(UserError, match=r"part_A_ME_label_JpgIndex_\*.xlsx here; ask for CAS"):
        sources.load("casme3", tmp_path)
