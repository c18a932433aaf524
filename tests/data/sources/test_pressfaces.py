import csv
import tarfile
import zipfile

import pytest

from keras_mer import synthetic
from keras_mer.data import build, sources
from keras_mer.data.sources import pressfaces
from keras_mer.errors import UserError
from tests.conftest import REAL_DATA

ROWS = [
    ("302", "Al_Gore_0001.jpg", "neutral"),
    ("302", "Al_Gore_0002.jpg", "anger"),
    ("jhamski", "KatrinaKaif_83.jpg", "DISGUST"),
    ("jhamski", "KatrinaKaif_98.jpg", "HAPPINESS"),
    ("628", "facial-expressions_2868585k.jpg", "surprised"),
    ("628", "facial-expressions_2868582k.jpg", "Fearful"),
]
LABELS = ["neutral", "angry", "disgust", "happy", "surprise", "fear"]


def save(root, faces, extra=()):
    for (_, image, _), label in zip(ROWS, LABELS, strict=True):
        faces.save(root / "images" / image, label)
    (root / "data").mkdir()
    lines = ["user.id,image,emotion", *(",".join(row) for row in ROWS), *extra]
    (root / "data" / "legend.csv").write_text("\n".join(lines) + "\n")


def test_the_repository_as_published(tmp_path, faces):
    save(tmp_path, faces)
    faces.save(tmp_path / "Augmented_Images" / "Al_Gore_0001.jpg", "sad")  # others are not read
    manifest = sources.load("pressfaces", tmp_path)
    faces.check(manifest, source="pressfaces")
    assert [s.label for s in manifest] == LABELS
    assert manifest.counts("subject") == {
        "Al_Gore": 2, "KatrinaKaif": 2, "facial-expressions": 2,
    }  # fmt: skip


def test_the_zip_that_github_serves(tmp_path, faces):
    save(tmp_path / "facial_expressions-master", faces)
    with zipfile.ZipFile(tmp_path / "press.zip", "w") as file:
        for path in sorted((tmp_path / "facial_expressions-master").rglob("*.*")):
            file.write(path, path.relative_to(tmp_path).as_posix())
    faces.check(sources.load("pressfaces", tmp_path / "press.zip"), source="pressfaces")


@pytest.mark.parametrize(
    ("image", "person"),
    [
        ("Aaron_Eckhart_0001.jpg", "Aaron_Eckhart"),
        ("Roh_Moo-hyun_0012.jpg", "Roh_Moo-hyun"),
        ("Steve-O_0001.jpg", "Steve-O"),
        ("SharmilaTagore_9.jpg", "SharmilaTagore"),
        ("SundarPichai0010.jpg", "SundarPichai"),
        ("facial-expressions_2868588k.jpg", "facial-expressions"),
        ("smile.jpg", "smile"),
        ("0001.jpg", "0001"),
    ],
)
def test_a_person_is_the_name_without_its_number(image, person):
    assert pressfaces.subject(image) == person


def test_an_image_is_one_sample_and_contradictions_are_dropped(tmp_path, faces):
    save(tmp_path, faces, [
        "628,Al_Gore_0001.jpg,Neutral",  # the same again
        "628,Al_Gore_0002.jpg,sadness",
        "520\tKatrinaKaif_98.jpg\thappiness",  # some versions have rows with tabs
        "520\tNobody_0001.jpg\tsadness",
        "302,KatrinaKaif_83.jpg,pain",
    ])  # fmt: skip
    manifest = sources.load("pressfaces", tmp_path)
    faces.check(manifest, source="pressfaces")
    assert len(manifest) == len(ROWS) + 1
    notes = {s.path: s.note for s in manifest if s.split == "dropped"}
    assert notes.pop("images/KatrinaKaif_83.jpg").startswith("legend.csv: unknown class 'pain'")
    assert notes == {
        "images/Al_Gore_0002.jpg": "legend.csv: contradicting labels angry, sad",
        "images/Nobody_0001.jpg": "legend.csv: Nobody_0001.jpg is not in images",
    }


def test_another_place_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="no legend.csv here; clone or download"):
        sources.load("pressfaces", tmp_path)
    (tmp_path / "data" / "legend.csv").write_text("user.id,image,emotion\n1,a.jpg,happy\n")
    with pytest.raises(UserError, match=r"no usable row in data/legend.csv; the first: .* images"):
        sources.load("pressfaces", tmp_path)


def test_drawn_and_split_by_people(tmp_path):
    synthetic.write_pressfaces(tmp_path / "drawn", 140, 20, size=48)
    spec = {"pressfaces": tmp_path / "drawn"}
    manifest, report = build.build(spec, split="subject", fractions=(0.6, 0.2, 0.2))
    assert not report.subjects and len(manifest) == 140
    parts = {s.subject: set() for s in manifest}
    for s in manifest:
        parts[s.subject].add(s.split)
    assert len(parts) == 21 and all(len(found) == 1 for found in parts.values())


@pytest.mark.skipif(
    not (REAL_DATA / "press-faces.tar").is_file(), reason="needs the real photographs"
)
def test_people_agree_with_a_table_made_by_hand():
    with tarfile.open(REAL_DATA / "press-faces.tar") as archive:
        text = archive.extractfile("samples.csv").read().decode()
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) > 13_000
    named = [row for row in rows if row["subject"]]
    assert len(named) > 13_000
    assert all(pressfaces.subject(row["original"]) == row["subject"] for row in named)
    others = {pressfaces.subject(row["original"]) for row in rows if not row["subject"]}
    assert not others & {row["subject"] for row in named}
