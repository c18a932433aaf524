import numpy as np
import pytest

from keras_mer.data.manifest import Manifest, Sample, format_votes, parse_votes
from keras_mer.errors import UserError

CLASSES = ("angry", "happy", "sad")


def make(root, *samples):
    return Manifest(samples, root, CLASSES)


@pytest.fixture
def manifest(tmp_path):
    return make(
        tmp_path / "data",
        Sample("a.png", "happy", "S1", "S1_1", "ck", "train", onset=3, apex=7, fps=29.97),
        Sample("fer.csv#17", "sad", source="fer", split="train", votes="sad=7 happy=3"),
        Sample("b, with comma.png", "angry", split="train", note='he said "no"'),
        Sample("c.png", "", split="dropped", note="empty file"),
        Sample("d.png", "happy", split="test", digest="0a1b", duplicate_of="a.png"),
    )


def test_it_comes_back_as_it_was_written(tmp_path, manifest):
    file = tmp_path / "manifests" / "m.csv"
    manifest.write(file)
    back = Manifest.read(file)
    assert back.classes == manifest.classes
    assert len(back) == 5
    for one, other in zip(manifest, back, strict=True):
        assert (back.root / other.path).resolve() == (manifest.root / one.path).resolve()
        own = {"path": one.path, "duplicate_of": one.duplicate_of}
        assert one == Sample(**{**other.__dict__, **own})
    assert back.samples[4].duplicate_of == back.samples[0].path


def test_a_csv_of_an_older_version_has_no_digests(tmp_path, manifest):
    manifest.write(tmp_path / "m.csv")
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert ",note,digest,duplicate_of,classes=" in lines[0]
    assert lines[5].endswith(",0a1b,data/a.png")
    older = [
        lines[0].replace(",digest,duplicate_of", ""),
        lines[5].removesuffix(",0a1b,data/a.png"),
    ]
    (tmp_path / "m.csv").write_text("\n".join(older) + "\n")
    (sample,) = Manifest.read(tmp_path / "m.csv")
    assert sample == Sample("data/d.png", "happy", split="test")


def test_no_absolute_path_is_written_or_read(tmp_path, manifest):
    file = tmp_path / "m.csv"
    manifest.write(file)
    text = file.read_text()
    assert str(tmp_path) not in text
    assert "\ndata/a.png,happy,S1" in text
    file.write_text(text.replace("data/a.png", "/data/a.png"))
    with pytest.raises(UserError, match=r"m.csv line 2: absolute path /data/a.png"):
        Manifest.read(file)


def test_data_and_manifest_may_move_together(tmp_path, manifest):
    (tmp_path / "one").mkdir()
    moved = Manifest(manifest.samples, tmp_path / "one" / "data", CLASSES)
    moved.write(tmp_path / "one" / "m.csv")
    (tmp_path / "one").rename(tmp_path / "two")
    back = Manifest.read(tmp_path / "two" / "m.csv")
    assert back.root / back.samples[0].path == tmp_path / "two" / "data" / "a.png"


def test_part_gives_one_split(manifest):
    assert [s.path for s in manifest.part("train")] == ["a.png", "fer.csv#17", "b, with comma.png"]


def test_an_empty_split_and_a_class_without_a_sample_are_errors(manifest):
    with pytest.raises(
        UserError, match=r"no sample in split 'validation'; it has dropped 1, test 1, train 3"
    ):
        manifest.part("validation")
    with pytest.raises(UserError, match=r"split 'test' has no sample of angry, sad"):
        manifest.part("test")


def test_labels_and_targets_follow_the_classes(manifest):
    train = manifest.part("train")
    np.testing.assert_array_equal(train.labels(), [1, 2, 0])
    assert train.labels().dtype == np.int64
    np.testing.assert_allclose(train.targets(), [[0, 1, 0], [0, 0.3, 0.7], [1, 0, 0]])
    assert train.targets().dtype == np.float32


def test_votes_outside_the_vocabulary_are_left_out_of_a_target(tmp_path):
    one = make(tmp_path, Sample("a.png", "sad", votes="sad=6 contempt=2 happy=2"))
    np.testing.assert_allclose(one.targets(), [[0, 0.25, 0.75]])


def test_votes_as_text():
    assert format_votes({"happy": 7, "sad": 0, "neutral": 2.5}) == "happy=7 neutral=2.5"
    assert parse_votes("happy=7 neutral=2.5") == {"happy": 7, "neutral": 2.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a manifest"),
        ("path,label\na,happy\n", r"not a manifest \(its header has no classes=... column\)"),
        ("path,lable,classes=happy sad\n", r"unknown column 'lable' \(did you mean 'label'\?\)"),
        ("path,label,classes=happy sad\na.png\n", "line 2: expected 2 columns, got 1"),
        ("path,onset,classes=happy\na,1\nb,x\n", "line 3: onset must be a number, got 'x'"),
        ("path,label,classes=happy sad\na,fear\n", "line 2: class 'fear' is not among happy, sad"),
        ("path,label,classes=happy hapy\n", r"unknown class 'hapy' \(did you mean 'happy'\?\)"),
    ],
)
def test_a_foreign_or_broken_csv_is_an_error_by_line(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        Manifest.read(tmp_path / "m.csv")


def test_a_missing_manifest_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"no manifest at .*m.csv; make it with: make split"):
        Manifest.read(tmp_path / "m.csv")
