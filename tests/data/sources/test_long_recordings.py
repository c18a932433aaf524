"""Readers of annotated recordings, against drawn trees whose events are known."""

import openpyxl
import pytest

from keras_mer import synthetic
from keras_mer.data.recordings import MICRO
from keras_mer.data.sources import long_recordings
from keras_mer.errors import UserError
from keras_mer.images import frame_files
from keras_mer.runtime.io.clip_reader import open_clip

SMALL = {"people": 2, "seconds": 8.0, "fps": 10.0, "size": 32, "seed": 4}


def expressions(drawn, first):
    return [
        (e.kind, e.onset + first, e.apex + first, e.offset + first)
        for e in drawn.events
        if e.kind in ("micro", "macro")
    ]


def read(recording):
    return [(i.kind, i.onset, i.apex, i.offset) for i in recording.intervals]


def test_samm_long_videos(tmp_path):
    drawn = synthetic.write_samm_long(tmp_path / "samm", **SMALL)
    first, second = long_recordings.load(tmp_path / "samm")
    assert (first.name, first.subject, first.fps) == ("006_1", "006", 200.0)
    assert [read(r) for r in (first, second)] == [expressions(d, 1) for d in drawn]
    assert {i.label for i in first.intervals} == {""} and first.targets
    assert len(frame_files(first.path)) == drawn[0].count
    table = tmp_path / "samm" / "SAMM_LongVideos_V3_Release.xlsx"
    book = openpyxl.load_workbook(table)
    book.active.append((6, "006_1_8", 1, 20, -1, 20, 1, "Micro - 1/2", "", ""))
    book.active.append((40, "040_1_1", 1, 20, 25, 30, 11, "Macro", "", ""))
    book.active.append((6, "006_1_9", 1, 20, 25, 0, 0, "Macro", "", ""))
    book.save(table)
    again = long_recordings.load(tmp_path / "samm")[0]
    assert ("macro", 20, 25, 25) in read(again)
    assert any("no frames of 040_1" in note for note in again.notes)
    assert any("offset 20 is not after onset 20" in note for note in again.notes)


def test_casme_squared(tmp_path):
    drawn = synthetic.write_casme_squared(tmp_path / "casme", **SMALL)
    (tmp_path / "casme/rawpic/s15/15_0102eatingworms").mkdir()
    (tmp_path / "casme/rawpic/s15/15_0102eatingworms/img1.jpg").write_bytes(b"")
    recordings = {r.name: r for r in long_recordings.load(tmp_path / "casme")}
    assert set(recordings) == {
        "15_0101disgustingteeth", "15_0102eatingworms", "16_0101disgustingteeth"
    }  # fmt: skip
    first = recordings["15_0101disgustingteeth"]
    assert (first.subject, first.fps) == ("s15", 30.0)
    assert read(first) == expressions(drawn[0], 1)
    assert read(recordings["16_0101disgustingteeth"]) == expressions(drawn[1], 1)
    assert {i.label for i in first.intervals} <= {"positive", "negative", "surprise"}
    assert recordings["15_0102eatingworms"].intervals == ()


def test_videos_and_their_table(tmp_path):
    drawn = synthetic.write_recordings(tmp_path / "drawn", **SMALL)
    recordings = long_recordings.load(tmp_path / "drawn")
    assert [r.subject for r in recordings] == [d.subject for d in drawn]
    for recording, d in zip(recordings, drawn, strict=True):
        clip = open_clip(recording.path, recording.fps)
        assert (clip.fps, sum(1 for _ in clip)) == (10.0, d.count)
        assert sorted(read(recording)) == sorted(
            (e.kind, e.onset, e.apex, e.offset) for e in d.events
        )
        assert all(i.kind == MICRO for i in recording.targets)


def test_tables_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(UserError, match="no annotated recordings here; expected recordings.csv"):
        long_recordings.load(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        long_recordings.load(tmp_path / "none")
    table = tmp_path / "recordings.csv"
    table.write_text("recording,subject,onset,offset\nx.avi,a,1,5\n")
    with pytest.raises(UserError, match="none with an interval of kind 'micro'.*no recording 'x.a"):
        long_recordings.load(tmp_path)
    table.unlink()
    (tmp_path / "SAMM_LongVideos_V3_Release.xlsx").write_bytes(b"")
    with pytest.raises(UserError, match="no folders 006_1/"):
        long_recordings.load(tmp_path)
