"""The loaders on generated datasets, in the layouts of the real ones."""

import hashlib

import pytest

from keras_mer import labels, synthetic
from keras_mer.data import loading, sources

COUNT, SUBJECTS = 105, 10


def by_pixels(manifest):
    """Pixels -> (label, split), over the rows that are kept."""
    kept = manifest.where(lambda s: s.split != "dropped")
    return {
        hashlib.sha1(image.tobytes()).hexdigest(): (kept.samples[i].label, kept.samples[i].split)
        for i, image in loading.load_native(kept)
    }


def test_fer2013_csv_and_folders_hold_the_same_rows(tmp_path):
    synthetic.write_fer2013_csv(tmp_path / "csv" / "fer2013.csv", COUNT, SUBJECTS)
    synthetic.write_fer2013_folders(tmp_path / "folders", COUNT, SUBJECTS)
    table = sources.load("fer2013", tmp_path / "csv")
    folders = sources.load("fer2013", tmp_path / "folders")
    assert table.counts("label") == folders.counts("label")
    number = {s.path.rpartition("_")[2].removesuffix(".jpg"): s for s in folders}
    for row, sample in enumerate(table):
        other = number[str(row)]
        assert (sample.label, sample.split) == (other.label, other.split)


def test_ferplus_mostly_agrees_with_the_drawn_label(tmp_path):
    synthetic.write_fer2013_csv(tmp_path / "fer2013.csv", COUNT, SUBJECTS)
    synthetic.write_ferplus_csv(tmp_path / "fer2013new.csv", COUNT, SUBJECTS)
    drawn = by_pixels(sources.load("fer2013", tmp_path))
    for mode in ("majority", "votes"):
        voted = by_pixels(sources.load("ferplus", tmp_path, mode=mode))
        assert len(voted) > 0.7 * COUNT
        agree = sum(drawn[pixels] == label for pixels, label in voted.items())
        assert agree > 0.8 * len(voted)


def test_ck48_and_ckextended(tmp_path):
    synthetic.write_ck48(tmp_path / "CK+48", 28, SUBJECTS)
    manifest = sources.load("ckplus", tmp_path)
    assert len(manifest) == 3 * 28
    assert len(manifest.counts("clip")) == 28
    assert len(manifest.counts("subject")) == SUBJECTS
    synthetic.write_ckextended_csv(tmp_path / "ckextended.csv", 80, SUBJECTS)
    table = sources.load("ckplus", tmp_path / "ckextended.csv")
    assert set(table.counts("label")) == set(labels.CKEXTENDED)
    assert loading.load_images(table, 48, 48, 1).std() > 10


def test_original_ckplus(tmp_path):
    synthetic.write_ckplus(tmp_path, 15, SUBJECTS, 64)
    manifest = sources.load("ckplus", tmp_path)
    kept = manifest.where(lambda s: s.split != "dropped")
    assert manifest.counts("split")["dropped"] == 3  # one sequence in five has no label
    assert kept.counts("label")["neutral"] == 12
    assert len(kept) == 12 * 4
    assert loading.check(kept) == {}


# "colour" is the old name of the option
@pytest.mark.parametrize("color", [{"color": False}, {"color": True}, {"colour": True}], ids=str)
def test_samples_are_generated_on_demand(tmp_path, color):
    options = {"count": 35, "subjects": 5, "size": 32, **color}
    manifest = sources.load("synthetic", tmp_path / "faces", **options)
    assert manifest.classes == labels.FER2013
    assert manifest.counts("label") == dict.fromkeys(labels.FER2013, 5)
    assert len(manifest.counts("subject")) == 5
    assert loading.load_images(manifest, 32, 32, 3).shape == (35, 32, 32, 3)
    assert sources.load("synthetic", tmp_path / "faces", **options) == manifest
