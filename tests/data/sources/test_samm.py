import openpyxl
import pytest

from keras_mer import synthetic
from keras_mer.data import sources
from keras_mer.errors import UserError
from tests.data.sources.clip_checks import TINY, check_truth, copied, edit

TABLE = "SAMM_Micro_FACS_Codes_v2.xlsx"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samm") / "samm"
    return folder, synthetic.write_samm(folder, **TINY)


def test_the_loaded_samples_equal_the_truth(drawn):
    folder, truth = drawn
    check_truth(sources.load("samm", folder), truth, source="samm")
    sheet = openpyxl.load_workbook(folder / TABLE)["MICRO_ONLY"]
    assert sheet["A14"].value == "Subject"
    names = {f.name for f in (folder / truth[0].path).iterdir()}
    assert f"{truth[0].subject}_{truth[0].onset:05d}.jpg" in names


def test_the_later_edition_with_its_header_in_row_1(drawn, tmp_path):
    folder, truth = copied(drawn[0], tmp_path), drawn[1]

    def change(sheet):
        sheet.delete_rows(1, 13)
        sheet["A2"].value = int(sheet["A2"].value)  # 6 for 006
        sheet["J2"].value = "Others"

    edit(folder / TABLE, change)
    manifest = sources.load("samm", folder)
    assert manifest.samples[0].label == "others"
    check_truth(manifest.where(lambda s: s.path != truth[0].path), truth[1:], source="samm")


def test_known_apex_errors_are_corrected(drawn, tmp_path):
    folder, truth = copied(drawn[0], tmp_path), drawn[1]
    place = folder / "028" / "028_4_1"
    place.parent.mkdir()
    (folder / truth[0].path).rename(place)

    def change(sheet):
        sheet["A15"].value, sheet["B15"].value = "028", "028_4_1"
        sheet["E15"].value = truth[0].offset + 40
        sheet["E16"].value = truth[1].onset - 1

    edit(folder / TABLE, change)
    known, other = sources.load("samm", folder).samples[:2]
    assert (known.split, known.apex, known.offset) == ("", None, truth[0].offset)
    assert "corrected to unknown: outside onset to offset" in known.note
    assert other.split == "dropped" and f"{TABLE} row 16" in other.note


def test_a_table_of_another_kind_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(("Name", "Age"))
    book.save(tmp_path / TABLE)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="no row that begins with 'Subject'"):
        sources.load("samm", tmp_path)
    (tmp_path / TABLE).write_bytes(b"PK no zip")
    with pytest.raises(UserError, match=r"not a readable .xlsx file"):
        sources.load("samm", tmp_path)
