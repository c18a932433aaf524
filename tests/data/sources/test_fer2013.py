import tarfile
import zipfile
from collections import Counter

import pytest

from keras_mer.data import loading, sources
from keras_mer.errors import UserError

# the order of the codes 0 to 6, from the dataset's own description
ORDER = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
USAGES = ["Training", "PublicTest", "PrivateTest"]


@pytest.fixture
def rows(faces):
    return [
        f"{code},{faces.pixels(label)},{usage}"
        for usage in USAGES
        for code, label in enumerate(ORDER)
    ]


def write_csv(path, rows, header="emotion,pixels,Usage"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, pixels,Usage"])
def test_csv_with_either_header(tmp_path, faces, rows, header):
    write_csv(tmp_path / "fer2013.csv", rows, header)
    manifest = sources.load("fer2013", tmp_path)
    faces.check(manifest, source="fer2013")
    assert manifest.counts("split") == {"train": 7, "validation": 7, "test": 7}
    assert [s.label for s in manifest][:7] == ORDER
    assert manifest.samples[20].path == "fer2013.csv#20"
    assert manifest.samples[20].split == "test"


def test_csv_with_columns_in_another_order(tmp_path, faces, rows):
    swapped = [f"{code},{usage},{pixels}" for code, pixels, usage in (r.split(",") for r in rows)]
    write_csv(tmp_path / "icml_face_data.csv", swapped, "emotion, Usage, pixels")
    faces.check(sources.load("fer2013", tmp_path), source="fer2013")


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
@pytest.mark.parametrize("by_file", [True, False])
def test_csv_inside_an_archive(tmp_path, faces, rows, suffix, by_file):
    inner = write_csv(tmp_path / "made" / "fer2013.csv", rows)
    archive = tmp_path / "in" / f"fer2013.{suffix}"
    archive.parent.mkdir()
    if suffix == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.write(inner, "fer2013/fer2013.csv")
    else:
        with tarfile.open(archive, "w:gz") as file:
            file.add(inner, "fer2013/fer2013.csv")
    manifest = sources.load("fer2013", archive if by_file else archive.parent)
    faces.check(manifest, source="fer2013")
    assert manifest.samples[3].path == f"fer2013.{suffix}!fer2013/fer2013.csv#3"
    assert len(manifest) == 21


def save_kaggle(root, faces):
    for number, label in enumerate(ORDER):
        faces.save(root / "train" / label / f"Training_{number}.jpg", label)
        faces.save(root / "test" / label / f"PublicTest_{number}.jpg", label)
        faces.save(root / "test" / label / f"PrivateTest_{number}.jpg", label)


def test_kaggle_folders_get_their_split_from_file_names(tmp_path, faces):
    save_kaggle(tmp_path, faces)
    manifest = sources.load("fer2013", tmp_path)
    faces.check(manifest, source="fer2013")
    assert manifest.classes == tuple(ORDER)
    for s in manifest:
        prefix = s.path.rpartition("/")[2].partition("_")[0]
        wanted = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
        assert s.split == wanted[prefix]


@pytest.mark.parametrize("suffix", ["zip", "tar.xz"])
def test_kaggle_folders_inside_an_archive(tmp_path, faces, suffix):
    made, archive = tmp_path / "made", tmp_path / f"archive.{suffix}"
    save_kaggle(made, faces)
    if suffix == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in made.rglob("*.jpg"):
                file.write(path, path.relative_to(made).as_posix())
    else:
        with tarfile.open(archive, "w:xz") as file:
            file.add(made, ".")
    manifest = sources.load("fer2013", archive)
    faces.check(manifest, source="fer2013")
    assert manifest.counts("split") == {"train": 7, "validation": 7, "test": 7}


@pytest.mark.parametrize(
    "names", [("train", "validation", "test"), ("Training", "PublicTest", "PrivateTest")]
)
def test_three_folders(tmp_path, faces, names):
    for folder in names:
        for number, label in enumerate(ORDER):
            faces.save(tmp_path / folder / label / f"im{number}.png", label)
    manifest = sources.load("fer2013", tmp_path)
    faces.check(manifest, source="fer2013")
    got = {s.path.partition("/")[0]: s.split for s in manifest}
    assert got == dict(zip(names, ("train", "validation", "test"), strict=True))


def test_missing_dataset_says_what_to_get_and_where_to_put_it(tmp_path):
    with pytest.raises(
        UserError, match=r"no fer2013 dataset at .*none: download .*kaggle.*data/fer"
    ):
        sources.load("fer2013", tmp_path / "none")
    with pytest.raises(UserError, match=r"no fer2013.csv and no class folders here; download"):
        sources.load("fer2013", tmp_path)


def test_unknown_class_folder_is_named_with_the_nearest(tmp_path, faces):
    save_kaggle(tmp_path, faces)
    faces.save(tmp_path / "train" / "hapy" / "Training_9.jpg", "happy")
    with pytest.raises(
        UserError, match=r"train/hapy: unknown class 'hapy' \(did you mean 'happy'\?\)"
    ):
        sources.load("fer2013", tmp_path)


def test_a_truncated_csv_keeps_the_complete_rows(tmp_path, faces, rows):
    file = write_csv(tmp_path / "fer2013.csv", rows)
    text = file.read_text()
    file.write_text(text[: text.rindex("\n", 0, -1) + 500])
    manifest = sources.load("fer2013", tmp_path)
    faces.check(manifest, source="fer2013")
    assert manifest.counts("split") == {"train": 7, "validation": 7, "test": 6, "dropped": 1}
    note = manifest.samples[-1].note
    assert note.startswith("fer2013.csv row 20: cut off, 2 of 3 columns and ")


def test_a_row_with_a_wrong_pixel_count_is_dropped(tmp_path, faces, rows):
    rows[4] = rows[4].replace(" ", ",", 1).split(",", 2)[0] + "," + rows[4].split(" ", 1)[1]
    write_csv(tmp_path / "fer2013.csv", rows)
    manifest = sources.load("fer2013", tmp_path)
    faces.check(manifest, source="fer2013")
    dropped = [s for s in manifest if s.split == "dropped"]
    assert [s.note for s in dropped] == ["fer2013.csv row 4: 2,303 pixels, expected 2,304 (48x48)"]
    assert dropped[0].path == "fer2013.csv#4"


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ("9,{pixels},Training", r"row 7: emotion '9' is not a code from 0 to 6"),
        ("3,{pixels},Trainig", r"row 7: Usage 'Trainig' is none of Training, PublicTest"),
    ],
)
def test_a_row_with_an_unknown_code_or_usage_is_dropped(tmp_path, faces, rows, row, note):
    write_csv(tmp_path / "fer2013.csv", [*rows[:7], row.format(pixels=faces.pixels("sad"))])
    last = sources.load("fer2013", tmp_path).samples[-1]
    assert last.split == "dropped"
    assert note in last.note


def test_a_pixel_out_of_range_is_found_when_it_is_read(tmp_path, rows):
    rows[2] = rows[2].replace(" ", " 2", 1).replace(" 2", " 2000", 1)
    rows[3] = rows[3].replace(" ", " x", 1)
    write_csv(tmp_path / "fer2013.csv", rows)
    bad = loading.check(sources.load("fer2013", tmp_path))
    assert list(bad) == [2, 3]
    assert bad[2] == "fer2013.csv row 2: a pixel is not a whole number from 0 to 255"
    assert bad[3] == "fer2013.csv row 3: a pixel is not a whole number from 0 to 255"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "emotion,pixels,Usage\n", "\x00\x01\x02"])
def test_a_csv_without_usable_rows_is_an_error(tmp_path, text):
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(UserError, match=r"fer2013.csv"):
        sources.load("fer2013", tmp_path)


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_truncated_archive_is_an_error_that_names_it(tmp_path, rows, suffix):
    inner = write_csv(tmp_path / "made" / "fer2013.csv", rows)
    archive = tmp_path / f"fer2013.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.write(inner, "fer2013.csv")
    else:
        with tarfile.open(archive, "w:gz") as file:
            file.add(inner, "fer2013.csv")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=rf"fer2013\.{suffix}: broken or cut-off archive"):
        sources.load("fer2013", archive)


def test_other_files_in_the_folders_are_dropped(tmp_path, faces):
    save_kaggle(tmp_path, faces)
    (tmp_path / "README.md").write_text("read me")
    (tmp_path / "train" / "happy" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "train" / "happy" / "notes.txt").write_text("hello")
    manifest = sources.load("fer2013", tmp_path)
    faces.check(manifest, source="fer2013")
    assert Counter(s.split for s in manifest)["dropped"] == 1
    (note,) = (s.note for s in manifest if s.split == "dropped")
    assert note == "train/happy/notes.txt: not an image file (.txt)"
