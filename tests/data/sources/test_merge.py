import pytest

from keras_mer import images, labels
from keras_mer.data import sources

ORDER = labels.VOCABULARIES["fer8"]


@pytest.fixture
def two(tmp_path, faces):
    """Faces of seven classes without subjects, and CK+48 with contempt and without neutral."""
    for label in labels.FER2013:
        faces.save(tmp_path / "fer" / "train" / label / "Training_1.png", label)
    for label in (c for c in ORDER if c != "neutral"):
        faces.save(tmp_path / "ck" / "inner" / label / "S005_001_00000011.png", label)
    return [
        sources.load("fer2013", tmp_path / "fer"),
        sources.load("ckplus", tmp_path / "ck" / "inner"),
    ]


@pytest.mark.parametrize("classes", [ORDER, tuple(reversed(ORDER)), labels.FER2013])
def test_classes_are_merged_by_name(tmp_path, faces, two, classes):
    merged = sources.merge(two, classes)
    assert merged.classes == classes
    assert merged.root == tmp_path
    for source in ("fer2013", "ckplus"):
        faces.check(merged.where(lambda s, source=source: s.source == source), source=source)
    dropped = [(s.label, s.note) for s in merged if s.split == "dropped"]
    wanted = [] if "contempt" in classes else [("", "contempt is not in the vocabulary")]
    assert dropped == wanted
    assert len(merged) == 14


def test_subjects_and_clips_get_their_source_as_a_prefix(two):
    merged = sources.merge(two, ORDER)
    assert set(merged.counts("subject")) == {"", "ckplus:S005"}
    assert set(merged.counts("clip")) == {"", "ckplus:S005_001"}
    alone = sources.merge(two[1:], ORDER)
    assert set(alone.counts("subject")) == {"S005"}


def test_paths_are_valid_after_writing_and_reading(tmp_path, faces, two):
    merged = sources.merge(two, ORDER)
    file = tmp_path / "manifests" / "both.csv"
    merged.write(file)
    back = type(merged).read(file)
    for s in back:
        assert faces.seen(images.read(back.root / s.path)) == s.label
