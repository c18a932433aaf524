"""Labels: canonical class names, the names and codes of each dataset, vocabularies and merges.

Classes are matched by name, never by index: in FER2013's csv 4 is sad, in its folders sorted by
name the fifth is neutral.
"""

from collections.abc import Iterable, Sequence

from keras_mer.errors import UserError, nearest

#: Integer codes of fer2013.csv, 0 to 6.
FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
#: Vote columns of FER+ (fer2013new.csv); `unknown` and `not-a-face` are not classes.
FERPLUS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
#: Integer codes of CK+'s `*_emotion.txt`, 0 to 7.
CKPLUS = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
#: Integer codes of ckextended.csv, 0 to 7.
CKEXTENDED = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

#: Named sets of classes, in the order of a model's outputs.
VOCABULARIES: dict[str, tuple[str, ...]] = {
    "fer7": FER2013,
    "fer8": (*FER2013, "contempt"),
    "megc3": ("negative", "positive", "surprise"),
    "casme5": ("happy", "disgust", "repression", "surprise", "others"),
    "samm5": ("angry", "contempt", "happy", "surprise", "others"),
    "smic3": ("negative", "positive", "surprise"),
    "micro9": (
        "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise", "repression", "others",
    ),
}  # fmt: skip

_MEGC3 = {
    "happy": "positive",
    "surprise": "surprise",
    **dict.fromkeys(("repression", "angry", "contempt", "disgust", "fear", "sad"), "negative"),
}
#: Merged vocabularies: vocabulary -> dataset (``""`` for any other) -> canonical name -> class of
#: the vocabulary. Classes without an entry are dropped.
#: MEGC 2019 (See et al., FG 2019) excludes CASME II's 2 clips of fear and 7 of sadness, although
#: its list of classes would make them negative; SAMM's are included.
MERGES: dict[str, dict[str, dict[str, str]]] = {
    "megc3": {
        "": _MEGC3,
        "casme2": {k: v for k, v in _MEGC3.items() if k in ("happy", "surprise", "disgust")}
        | {"repression": "negative"},
        "samm": {k: v for k, v in _MEGC3.items() if k != "repression"},
    },
}
MERGES["smic3"] = MERGES["megc3"]

_ALIASES = {
    "anger": "angry",
    "angry": "angry",
    "contempt": "contempt",
    "contemptuous": "contempt",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "afraid": "fear",
    "happy": "happy",
    "happiness": "happy",
    "joy": "happy",
    "sad": "sad",
    "sadness": "sad",
    "surprise": "surprise",
    "surprised": "surprise",
    "neutral": "neutral",
    "negative": "negative",
    "positive": "positive",
    "repression": "repression",
    "other": "others",
    "others": "others",
}


def canonical(name: str) -> str:
    """The canonical name of a class, e.g. ``"Happiness"`` -> ``"happy"``.

    Raises:
        UserError: for an unknown name.
    """
    word = name.strip().lower()
    if word not in _ALIASES:
        known = sorted(set(_ALIASES.values()))
        raise UserError(
            f"unknown class '{name}'{nearest(word, _ALIASES)}; expected one of {', '.join(known)}"
        )
    return _ALIASES[word]


def is_emotion(name: str) -> bool:
    """Whether `canonical` knows the name."""
    return name.strip().lower() in _ALIASES


def vocabulary(spec: str | Iterable[str]) -> tuple[str, ...]:
    """The classes of a named vocabulary (``"fer7"``), or of a list of class names.

    Raises:
        UserError: for an unknown vocabulary, an unknown class or a class given twice.
    """
    if isinstance(spec, str):
        if spec not in VOCABULARIES:
            raise UserError(
                f"unknown vocabulary '{spec}'{nearest(spec, VOCABULARIES)}; "
                f"expected one of {', '.join(VOCABULARIES)} or a list of classes"
            )
        return VOCABULARIES[spec]
    classes = tuple(canonical(name) for name in spec)
    if len(set(classes)) != len(classes):
        raise UserError(f"duplicate class in {', '.join(classes)}")
    return classes


def merged(name: str, classes: Iterable[str], source: str = "") -> str:
    """Map a canonical class to the class of a vocabulary, ``""`` when it has none.

    Args:
        name: canonical name, ``"disgust"``.
        classes: of the vocabulary. A name among them is kept; for the merged vocabularies, `MERGES`
            maps the others (to ``"negative"``, for example).
        source: the dataset, for its own table in `MERGES`.
    """
    classes = set(classes)
    if name in classes:
        return name
    for vocabulary_name, tables in MERGES.items():
        if set(VOCABULARIES[vocabulary_name]) == classes:
            return tables.get(source, tables[""]).get(name, "")
    return ""


def check_same_classes(expected: Sequence[str], got: Sequence[str], *, where: str) -> None:
    """Raise a `UserError` unless both lists name the same classes in the same order."""
    if list(expected) != list(got):
        raise UserError(
            f"{where}: expected the classes {', '.join(expected)}; got {', '.join(got)}"
        )
