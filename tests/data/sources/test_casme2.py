import csv
import shutil

import openpyxl
import pytest

from keras_mer import synthetic
from keras_mer.data import sources
from keras_mer.data.sources.casme2 import CORRECTIONS
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY, check_truth, copied, edit, notes

TABLE = "CASME2-coding-20140508.xlsx"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("casme2") / "casme2"
    return folder, synthetic.write_casme2(folder, **TINY)


@pytest.fixture
def spoiled(drawn, tmp_path):
    folder = copied(drawn[0], tmp_path)
    return folder, drawn[1]


def test_the_loaded_samples_equal_the_truth(drawn):
    folder, truth = drawn
    manifest = sources.load("casme2", folder)
    check_truth(manifest, truth, source="casme2")
    assert len(manifest) == TINY["count"]
    names = {f.name for f in (folder / truth[0].path).iterdir()}
    assert f"reg_img{truth[0].onset}.jpg" in names


def test_raw_and_cropped_in_one_folder(spoiled):
    folder, truth = spoiled
    for t in truth:
        raw = folder / t.path.replace("Cropped", "CASME2_RAW_selected")
        raw.mkdir(parents=True)
        for file in (folder / t.path).iterdir():
            shutil.copy(file, raw / file.name.removeprefix("reg_"))
    check_truth(sources.load("casme2", folder), truth, source="casme2")
    raw = sources.load("casme2", folder, frames="raw")
    assert all(s.path.startswith("CASME2_RAW_selected/") for s in raw) and not notes(raw)
    with pytest.raises(UserError, match="frames: expected auto, cropped or raw, got 'both'"):
        sources.load("casme2", folder, frames="both")


def test_renamed_columns_of_a_csv_are_used_with_a_warning(spoiled, caplog):
    folder, truth = spoiled
    rows = list(openpyxl.load_workbook(folder / TABLE).active.iter_rows(values_only=True))
    rows[0] = ("subject", "File Name", "", "Onset Frame", "Apex  frame", "OffsetFrm", "", "AU",
               "Estimated_Emotion")  # fmt: skip
    (folder / TABLE).unlink()
    with (folder / "CASME2-coding-20190701.csv").open("w", newline="") as f:
        csv.writer(f).writerows([("about this table",), *rows])
    check_truth(sources.load("casme2", folder), truth, source="casme2")
    assert caplog.messages == [
        "CASME2-coding-20190701.csv row 2: column 'OffsetFrm' is read as 'OffsetFrame'"
    ]


def test_a_missing_column_is_reported_with_the_nearest(spoiled):
    folder, _ = spoiled
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("E1", "Peak frame"))
    with pytest.raises(
        UserError,
        match=r"CASME2-coding-20140508.xlsx row 1: no column 'ApexFrame' \(did you mean 'Peak fr",
    ):
        sources.load("casme2", folder)


def test_bad_rows_are_dropped_with_the_reason(spoiled):
    folder, truth = spoiled
    shutil.rmtree(folder / truth[0].path)  # a row without frames
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("E3", truth[1].offset + 5))
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("I4", "hapiness"))
    for file in (folder / truth[3].path).iterdir():  # a clip of one frame
        if f"img{truth[3].onset}." not in file.name:
            file.unlink()
    stray = folder / "Cropped" / "sub01" / "EP99_01"  # frames without a row
    shutil.copytree(folder / truth[4].path, stray)
    manifest = sources.load("casme2", folder)
    where = [t.path.removeprefix("Cropped/") for t in truth]
    expected = [
        f"{TABLE} row 2 ({where[0]}): no frames",
        f"{TABLE} row 3 ({where[1]}): apex {truth[1].offset + 5} is outside onset..offset, "
        f"{truth[1].onset}..{truth[1].offset}",
        f"{TABLE} row 4 ({where[2]}): unknown class 'hapiness' (did you mean 'happiness'?)",
        f"{TABLE} row 5 ({where[3]}): a clip of one frame",
        f"Cropped/sub01/EP99_01: frames without a row in {TABLE}",
    ]
    for note, start in zip(notes(manifest), expected, strict=True):
        assert note.startswith(start)
    assert [s.path for s in manifest if s.split != "dropped"] == [t.path for t in truth[4:]]


def test_contradicting_numbers_may_be_kept_as_unknown(spoiled):
    folder, truth = spoiled
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("E3", truth[1].offset + 5))
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("F4", 0))
    manifest = sources.load("casme2", folder, doubtful="keep")
    assert not notes(manifest)
    assert manifest.samples[1].apex is None and manifest.samples[1].onset == truth[1].onset
    assert (manifest.samples[2].onset, manifest.samples[2].offset) == (None, None)
    assert "taken as unknown" in manifest.samples[1].note


def test_missing_frames_and_cells(spoiled):
    folder, truth = spoiled
    t = truth[0]
    (folder / t.path / f"reg_img{t.onset + 1}.jpg").unlink()
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("E3", "/"))
    edit(folder / TABLE, lambda sheet: sheet.__setitem__("D4", "forty"))
    edit(folder / TABLE, lambda sheet: sheet.append([c.value for c in sheet[6]]))
    manifest = sources.load("casme2", folder)
    kept, missing, odd = manifest.samples[:3]
    if t.apex != t.onset + 1:
        assert kept.split == "" and "1 of the frames" in kept.note
    assert missing.apex is None and missing.split == ""
    assert odd.split == "dropped" and "onset 'forty' is not a frame number" in odd.note
    assert "duplicate row" in manifest.samples[-1].note


def test_known_mistakes_are_corrected_by_subject_and_clip(spoiled):
    folder, truth = spoiled
    # rename the second subject's first clip to the one that the table of corrections names
    t = next(t for t in truth if t.subject == "sub02")
    (folder / "Cropped" / "sub05").mkdir()
    (folder / t.path).rename(folder / "Cropped" / "sub05" / "EP09_05f")

    def change(sheet):
        for row in sheet.iter_rows(min_row=2):
            if int(row[0].value) == 2 and row[1].value == t.clip:
                row[0].value, row[1].value, row[4].value = 5, "EP09_05f", row[3].value

    edit(folder / TABLE, change)
    sample = next(s for s in sources.load("casme2", folder) if s.clip == "EP09_05f")
    assert sample.apex is None and sample.onset == t.onset and sample.split == ""
    assert f"apex {t.onset} corrected to unknown: coded as the onset" in sample.note
    assert all(c.why and c.field in ("onset", "apex", "offset") for c in CORRECTIONS)


def test_no_table_and_nothing_usable(tmp_path, spoiled):
    folder, _ = spoiled
    shutil.rmtree(folder / "Cropped")
    with pytest.raises(UserError, match="no frames here"):
        sources.load("casme2", folder)
    (folder / TABLE).unlink()
    with pytest.raises(UserError, match=r"no CASME2-coding-\*.xlsx here; ask for CASME II at"):
        sources.load("casme2", folder)
    with pytest.raises(UserError, match="no casme2 dataset at"):
        sources.load("casme2", tmp_path / "nowhere")
