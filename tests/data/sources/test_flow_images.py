from collections import Counter

import cv2
import numpy as np
import pytest

from keras_mer import labels
from keras_mer.data import build, sources
from keras_mer.errors import UserError
from tests.conftest import REAL_DATA

HEADER = "file,dataset,subject,clip,label"


@pytest.fixture
def folder(tmp_path):
    """Writes samples.csv from rows, and an image for each file name that starts with images/."""

    def write(*rows, header=HEADER, name="flow"):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "samples.csv").write_text("\n".join([header, *rows]) + "\n")
        for row in rows:
            file = row.split(",")[0]
            if file.startswith("images/") and "missing" not in file:
                cv2.imwrite(str(tmp_path / name / file), np.full((28, 28, 3), 9, np.uint8))
        return tmp_path / name

    return write


def test_rows_become_clips_of_their_own_dataset(folder):
    path = folder(
        "images/a.png,CASME II,sub01,EP02_01f,positive",
        "images/b.png,smic,s01,s01_ne_01,Negative",
    )
    for place in (path, path / "samples.csv"):
        manifest = sources.load("flow-images", place)
        assert manifest.classes == labels.VOCABULARIES["megc3"]
        assert [(s.path, s.source, s.subject, s.clip, s.label) for s in manifest] == [
            ("images/a.png", "casme2", "casme2:sub01", "casme2:EP02_01f", "positive"),
            ("images/b.png", "smic", "smic:s01", "smic:s01_ne_01", "negative"),
        ]
        assert all(s.split == "" for s in manifest)


def test_what_cannot_be_used_is_named_and_the_rest_goes_on(folder):
    path = folder(
        "images/a.png,smic,s01,one,positive",
        "images/missing.png,smic,s01,two,positive",
        "images/c.png,smic,s01,three,postive",
        "images/d.png,smic,,four,positive",
        "images/a.png,smic,s01,five,positive",
        "/etc/passwd,smic,s01,six,positive",
    )
    cv2.imwrite(str(path / "images" / "stray.png"), np.zeros((28, 28, 3), np.uint8))
    manifest = sources.load("flow-images", path)
    assert [s.split for s in manifest] == [""] + ["dropped"] * 6
    notes = [s.note for s in manifest][1:]
    for note, expected in zip(
        notes,
        [
            "samples.csv row 1: no image images/missing.png",
            "samples.csv row 2: unknown class 'postive' (did you mean 'positive'?)",
            "samples.csv row 3: no subject",
            "samples.csv row 4: images/a.png stands twice",
            "samples.csv row 5: file '/etc/passwd' is not a path inside the folder",
            "images/stray.png: image without a row in samples.csv",
        ],
        strict=True,
    ):
        assert note.startswith(expected)


def test_a_renamed_column_and_a_useless_csv_are_refused(folder, tmp_path):
    path = folder("images/a.png,smic,s01,one,positive", header="file,dataset,subjects,clip,label")
    with pytest.raises(UserError, match=r"no column 'subject' \(did you mean 'subjects'\?\)"):
        sources.load("flow-images", path)
    path = folder("images/missing.png,smic,s01,one,positive", name="none")
    with pytest.raises(UserError, match=r"no usable row among 1; the first is .*missing.png"):
        sources.load("flow-images", path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no samples.csv here, and no clips of megc2019"):
        sources.load("flow-images", tmp_path / "empty")


def test_other_labels_keep_their_own_classes_and_amplitude(folder):
    path = folder(
        "images/a.png,casme2,sub01,one,happiness,0.021",
        "images/b.png,casme2,sub02,two,repression,",
        header=HEADER + ",amplitude",
    )
    manifest = sources.load("flow-images", path)
    assert manifest.classes == ("happy", "repression")
    assert [s.note for s in manifest] == ["amplitude 0.021", ""]


def test_several_folders_meet_without_prefixing_twice(folder):
    one = folder("images/a.png,casme2,sub01,one,positive", name="one")
    two = folder("images/a.png,samm,006,006_1_2,negative", name="two")
    spec = {
        "flow": {"source": "flow-images", "path": one},
        "more": {"source": "flow-images", "path": two},
    }
    manifest = build.load_sources(spec, "megc3")
    assert [(s.path, s.source, s.subject) for s in manifest] == [
        ("one/images/a.png", "casme2", "casme2:sub01"),
        ("two/images/a.png", "samm", "samm:006"),
    ]


@pytest.mark.skipif(not (REAL_DATA / "megc2019-flow").is_dir(), reason="needs the real flow images")
def test_the_published_flow_images():
    manifest = sources.load("flow-images", REAL_DATA / "megc2019-flow")
    assert not manifest.counts("split")["dropped"]
    clips = Counter(s.source for s in manifest)
    people = {source: len({s.subject for s in manifest if s.source == source}) for source in clips}
    assert clips == {"casme2": 145, "smic": 164} and people == {"casme2": 24, "smic": 16}
