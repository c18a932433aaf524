import pytest

from keras_mer import labels
from keras_mer.data import sources
from keras_mer.data.manifest import parse_votes
from keras_mer.data.sources.ferplus import distribution, majority
from keras_mer.errors import UserError

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
NAMES = (*labels.FERPLUS, "unknown", "NF")


def votes(*counts):
    assert sum(counts) == 10
    return dict(zip(NAMES, counts, strict=True))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 10, 0, 0, 0, 0, 0, 0, 0, 0), {"happy": 10}),
        ((4, 6, 0, 0, 0, 0, 0, 0, 0, 0), {"happy": 6}),
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), "no majority among the votes"),
        # the five single votes are noise, which leaves five of five
        ((1, 5, 1, 1, 0, 0, 0, 0, 1, 1), {"happy": 5}),
        ((0, 0, 0, 0, 0, 0, 0, 0, 6, 4), "most votes say unknown"),
        ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), "most votes say NF"),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "no majority among the votes"),
        ((0, 0, 0, 0, 0, 0, 0, 8, 2, 0), {"contempt": 8}),
    ],
)
def test_majority_is_more_than_half_without_single_votes(counts, expected):
    assert majority(votes(*counts)) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 10, 0, 0, 0, 0, 0, 0, 0, 0), {"happy": 10}),
        ((0, 8, 2, 0, 0, 0, 0, 0, 0, 0), {"happy": 8}),  # three quarters are covered
        ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), {"neutral": 5, "happy": 5}),
        ((4, 3, 3, 0, 0, 0, 0, 0, 0, 0), {"neutral": 4, "happy": 3, "surprise": 3}),
        ((6, 1, 1, 1, 0, 0, 0, 0, 1, 0), {"neutral": 6}),
        ((6, 0, 0, 0, 0, 0, 0, 0, 4, 0), {"neutral": 6}),  # unknown ends it and is left out
        ((5, 0, 0, 0, 0, 0, 0, 0, 5, 0), "no agreement among the votes"),
        ((0, 4, 0, 0, 0, 0, 0, 0, 6, 0), "most votes say unknown"),
        ((0, 4, 0, 0, 0, 0, 0, 0, 0, 6), "most votes say NF"),
        ((2, 2, 2, 2, 2, 0, 0, 0, 0, 0), "no agreement among the votes"),  # five classes
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "no agreement among the votes"),
    ],
)
def test_distribution_takes_the_leading_classes(counts, expected):
    assert distribution(votes(*counts)) == expected


def write(tmp_path, faces, table, usages=None):
    usages = usages or ["Training"] * len(table)
    rows = [f"6,{faces.pixels(label)},Training" for label, _ in table]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    lines = [
        f"{usage},fer{i:07}.png,{','.join(map(str, counts))}"
        for i, ((_, counts), usage) in enumerate(zip(table, usages, strict=True))
    ]
    (tmp_path / "fer2013new.csv").write_text("\n".join([HEADER, *lines]) + "\n")


@pytest.fixture
def table():
    one = [(label, votes(*(10 if i == k else 0 for i in range(10)))) for k, label in
           enumerate(labels.FERPLUS)]  # fmt: skip
    return [(label, list(v.values())) for label, v in one] + [
        ("sad", [2, 0, 0, 6, 0, 2, 0, 0, 0, 0]),
        ("sad", [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]),
        ("sad", [5, 0, 0, 5, 0, 0, 0, 0, 0, 0]),
    ]


def test_majority_labels_match_the_images(tmp_path, faces, table):
    write(tmp_path, faces, table)
    manifest = sources.load("ferplus", tmp_path)
    faces.check(manifest, source="ferplus")
    assert [s.label for s in manifest] == [*labels.FERPLUS, "sad", "", ""]
    assert [s.note for s in manifest][-2:] == [
        "FER+: most votes say NF",
        "FER+: no majority among the votes",
    ]
    assert not any(s.votes for s in manifest)


def test_votes_become_soft_labels(tmp_path, faces, table):
    write(tmp_path, faces, table)
    manifest = sources.load("ferplus", tmp_path, mode="votes")
    assert parse_votes(manifest.samples[8].votes) == {"sad": 6, "neutral": 2, "disgust": 2}
    kept = manifest.where(lambda s: s.split != "dropped")
    target = kept.targets()[8]
    assert target[labels.FERPLUS.index("sad")] == pytest.approx(0.6)
    assert target[labels.FERPLUS.index("disgust")] == pytest.approx(0.2)
    assert kept.targets()[9].max() == pytest.approx(0.5)


def test_the_label_file_may_be_elsewhere(tmp_path, faces, table):
    write(tmp_path, faces, table)
    (tmp_path / "else").mkdir()
    moved = (tmp_path / "fer2013new.csv").rename(tmp_path / "else" / "votes.csv")
    assert len(sources.load("ferplus", tmp_path, labels=str(moved))) == len(table)
    moved.unlink()
    with pytest.raises(UserError, match=r"no fer2013new.csv here; download"):
        sources.load("ferplus", tmp_path)


def test_files_with_different_rows_are_refused(tmp_path, faces, table):
    write(tmp_path, faces, table, ["Training"] * 5 + ["PublicTest"] + ["Training"] * 5)
    with pytest.raises(UserError, match=r"row 5: Usage is PublicTest but fer2013.csv#5 belongs to"):
        sources.load("ferplus", tmp_path)
    text = (tmp_path / "fer2013new.csv").read_text().splitlines()
    (tmp_path / "fer2013new.csv").write_text("\n".join(text[:5]))
    with pytest.raises(UserError, match=r"has 4 rows and fer2013.csv has 11: .*cut off"):
        sources.load("ferplus", tmp_path)


def test_the_folder_edition_is_refused(tmp_path, faces):
    faces.save(tmp_path / "train" / "happy" / "Training_1.png", "happy")
    (tmp_path / "fer2013new.csv").write_text(HEADER + "\n")
    with pytest.raises(UserError, match=r"order of its csv's rows, which the folder editions have"):
        sources.load("ferplus", tmp_path)


def test_unknown_mode_and_option(tmp_path, faces, table):
    write(tmp_path, faces, table)
    with pytest.raises(UserError, match=r"unknown mode 'majorty' \(did you mean 'majority'\?\)"):
        sources.load("ferplus", tmp_path, mode="majorty")
    with pytest.raises(UserError, match=r"unknown option 'mod' \(did you mean 'mode'\?\); it has:"):
        sources.load("ferplus", tmp_path, mod="votes")
