import pytest

from keras_mer import labels
from keras_mer.errors import UserError


def test_codes_are_in_the_published_order():
    # FER2013's description: 0=Angry, 1=Disgust, 2=Fear, 3=Happy, 4=Sad, 5=Surprise, 6=Neutral
    assert labels.FER2013.index("sad") == 4
    assert labels.FER2013.index("neutral") == 6
    # CK+'s: 0=neutral, 1=anger, 2=contempt, 3=disgust, 4=fear, 5=happy, 6=sadness, 7=surprise
    assert [labels.CKPLUS.index(c) for c in ("neutral", "angry", "contempt", "happy")] == [
        0, 1, 2, 5,
    ]  # fmt: skip
    # fer2013new.csv: neutral,happiness,surprise,sadness,anger,disgust,fear,contempt
    words = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]
    assert tuple(map(labels.canonical, words)) == labels.FERPLUS


@pytest.mark.parametrize(
    ("word", "name"),
    [("Happiness", "happy"), (" ANGER ", "angry"), ("sadness", "sad"), ("Other", "others")],
)
def test_canonical_accepts_all_aliases(word, name):
    assert labels.canonical(word) == name
    assert labels.is_emotion(word)


def test_every_canonical_name_is_its_own_canonical_name():
    for classes in labels.VOCABULARIES.values():
        assert tuple(map(labels.canonical, classes)) == classes


def test_an_unknown_word_is_named_with_the_nearest():
    assert not labels.is_emotion("hapiness")
    with pytest.raises(
        UserError, match=r"unknown class 'hapiness' \(did you mean 'happiness'\?\); expected one of"
    ):
        labels.canonical("hapiness")


def test_vocabulary_by_name_and_by_list():
    assert labels.vocabulary("fer8") == (*labels.FER2013, "contempt")
    assert labels.vocabulary(["Joy", "sadness"]) == ("happy", "sad")
    with pytest.raises(UserError, match=r"unknown vocabulary 'fer77' \(did you mean 'fer7'\?\)"):
        labels.vocabulary("fer77")
    with pytest.raises(UserError, match="duplicate class in happy, happy"):
        labels.vocabulary(["happy", "joy"])


def test_classes_must_be_the_same_in_the_same_order():
    labels.check_same_classes(["happy", "sad"], ("happy", "sad"), where="model")
    with pytest.raises(UserError, match=r"model: expected the classes happy, sad; got sad, happy"):
        labels.check_same_classes(["happy", "sad"], ["sad", "happy"], where="model")


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("happy", "casme2", "positive"),
        ("repression", "casme2", "negative"),
        ("fear", "casme2", ""),  # MEGC 2019 leaves CASME II's fear and sadness out
        ("sad", "casme2", ""),
        ("others", "casme2", ""),
        ("fear", "samm", "negative"),
        ("contempt", "samm", "negative"),
        ("others", "samm", ""),
        ("negative", "smic", "negative"),
        ("sad", "mmew", "negative"),
    ],
)
def test_megc_merges_each_dataset_by_its_own_rule(name, source, expected):
    assert labels.merged(name, labels.VOCABULARIES["megc3"], source) == expected
    assert labels.merged(name, ("positive", "surprise", "negative"), source) == expected


def test_classes_outside_the_vocabulary_have_no_label():
    assert labels.merged("repression", labels.VOCABULARIES["casme5"], "casme2") == "repression"
    assert labels.merged("fear", labels.VOCABULARIES["casme5"], "casme2") == ""
    assert labels.merged("disgust", labels.VOCABULARIES["samm5"], "samm") == ""
