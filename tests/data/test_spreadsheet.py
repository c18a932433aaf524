import openpyxl
import pytest

from keras_mer.data import spreadsheet
from keras_mer.errors import UserError

COLUMNS = {"subject": ("Subject",), "onset": ("OnsetFrame",), "offset": ("OffsetFrame",),
           "note": ("Remarks",)}  # fmt: skip


def test_the_header_is_found_in_any_row_and_sheet(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(("read me first",))
    sheet = book.create_sheet("codes")
    for row in ((), ("a title",), (None, "SUBJECT ", "onset_frame", "Offset  Frame"),
                (None, 7, 46.0, "/"), (), (None, "07", 1.5, None)):  # fmt: skip
        sheet.append(row)
    book.save(tmp_path / "table.xlsx")
    rows = spreadsheet.read(tmp_path / "table.xlsx", COLUMNS, ("note",))
    assert [r.where for r in rows] == ["table.xlsx row 4", "table.xlsx row 6"]
    assert [dict(r.values) for r in rows] == [
        {"subject": "7", "onset": "46", "offset": "/", "note": ""},
        {"subject": "07", "onset": "1.5", "offset": "", "note": ""},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_three_delimiters(tmp_path, delimiter):
    lines = ["Subject,OnsetFrame,OffsetFrame", "1,2,3", "4,5"]
    text = "\n".join(lines).replace(",", delimiter)
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    rows = spreadsheet.read(tmp_path / "t.csv", COLUMNS, ("note",))
    assert [(r["onset"], r["offset"]) for r in rows] == [("2", "3"), ("5", "")]


def test_onset_is_never_read_from_the_offset(tmp_path, caplog):
    (tmp_path / "t.csv").write_text("Subject,Begin,OffsetFrm\n1,2,3\n")
    with pytest.raises(UserError, match=r"t.csv row 1: no column 'OnsetFrame' \(did you mean"):
        spreadsheet.read(tmp_path / "t.csv", COLUMNS, ("note",))
    (tmp_path / "t.csv").write_text("Subject,OnsetFrm,OffsetFrm\n1,2,3\n")
    row = spreadsheet.read(tmp_path / "t.csv", COLUMNS, ("note",))[0]
    assert (row["onset"], row["offset"]) == ("2", "3")
    assert "t.csv row 1: column 'OnsetFrm' is read as 'OnsetFrame'" in caplog.text


def test_other_files_are_refused(tmp_path):
    (tmp_path / "t.xls").write_bytes(b"\xd0\xcf")
    with pytest.raises(UserError, match="the old .xls format; save it as .xlsx or .csv"):
        spreadsheet.read(tmp_path / "t.xls", COLUMNS)
    (tmp_path / "t.csv").write_text("Name,Age\n")
    with pytest.raises(UserError, match="no row that begins with 'Subject'"):
        spreadsheet.read(tmp_path / "t.csv", COLUMNS)
    assert spreadsheet.find(tmp_path, "other*", "T*.csv").name == "t.csv"
    assert spreadsheet.find(tmp_path, "other*") is None
