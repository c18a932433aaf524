"""Writers of synthetic faces in the layouts of datasets of photographs: RAF-DB, AffectNet, ...

Arguments and errors of all: as for `keras_mer.synthetic.write_samples`. The same seed gives
byte-identical files. Of datasets with a split, every fifth image is in the test part.
"""

import os

import numpy as np

from keras_mer import labels
from keras_mer.synthetic.layouts import balanced_rows
from keras_mer.synthetic.photo import draw_photo
from keras_mer.synthetic.store import check_arguments, new_folder, save_image

_RAFDB = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # codes 1 to 7
_AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
_JAFFE = {
    "angry": "AN", "disgust": "DI", "fear": "FE", "happy": "HA", "neutral": "NE", "sad": "SA",
    "surprise": "SU",
}  # fmt: skip
_PRESS = {
    "angry": "ANGER", "disgust": "disgust", "fear": "Fear", "happy": "HAPPINESS", "sad": "sadness",
    "surprise": "surprise", "neutral": "neutral",
}  # fmt: skip


def write_rafdb(
    folder: str | os.PathLike,
    count: int = 350,
    subjects: int = 20,
    size: int = 100,
    seed: int = 0,
    *,
    numbered: bool = False,
    overwrite: bool = False,
) -> None:
    """Write RAF-DB's basic set: the list with ``Image/aligned/train_00001_aligned.jpg``.

    With `numbered`, as on Kaggle: ``DATASET/train/3/train_00001_aligned.jpg`` and
    ``train_labels.csv`` (image, label); the same for test.
    """
    check_arguments(count, subjects, size, seed)
    lines: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    with new_folder(folder, overwrite) as root:
        for row in balanced_rows(count, subjects, seed, _RAFDB):
            part, code = ("train", "test")[row.index % 5 == 4], _RAFDB.index(row.label) + 1
            digits = {"train": 5, "test": 4}[part]
            name = f"{part}_{len(lines[part]) + 1:0{digits}d}"
            lines[part].append((name, code))
            place = f"DATASET/{part}/{code}" if numbered else "Image/aligned"
            (root / place).mkdir(parents=True, exist_ok=True)
            save_image(root / place / f"{name}_aligned.jpg", row.draw(size, seed, color=True))
        if numbered:
            for part, rows in lines.items():
                text = "".join(f"{name}_aligned.jpg,{code}\n" for name, code in rows)
                (root / f"{part}_labels.csv").write_text("image,label\n" + text)
        else:
            (root / "EmoLabel").mkdir()
            text = "".join(f"{name}.jpg {code}\n" for part in lines.values() for name, code in part)
            (root / "EmoLabel" / "list_patition_label.txt").write_text(text)


def write_affectnet(
    folder: str | os.PathLike,
    count: int = 400,
    subjects: int = 20,
    size: int = 112,
    seed: int = 0,
    *,
    overwrite: bool = False,
) -> None:
    """Write AffectNet: ``train_set/images/0.jpg``, ``train_set/annotations/0_exp.npy``, val_set.

    The annotations hold the code as text, as the published ones do.
    """
    check_arguments(count, subjects, size, seed)
    with new_folder(folder, overwrite) as root:
        for part in ("train_set", "val_set"):
            for kind in ("images", "annotations"):
                (root / part / kind).mkdir(parents=True)
        for row in balanced_rows(count, subjects, seed, _AFFECTNET):
            part = root / ("train_set", "val_set")[row.index % 5 == 4]
            save_image(part / "images" / f"{row.index}.jpg", row.draw(size, seed, color=True))
            code = np.array(str(_AFFECTNET.index(row.label)))
            np.save(part / "annotations" / f"{row.index}_exp.npy", code)


def write_jaffe(
    folder: str | os.PathLike,
    count: int = 210,
    subjects: int = 10,
    size: int = 256,
    seed: int = 0,
    *,
    overwrite: bool = False,
) -> None:
    """Write JAFFE: gray ``jaffe/AA.AN1.1.tiff`` (woman, expression and its number, number)."""
    check_arguments(count, subjects, size, seed)
    seen: dict[tuple[int, str], int] = {}
    with new_folder(folder, overwrite) as root:
        (root / "jaffe").mkdir()
        for row in balanced_rows(count, subjects, seed, tuple(_JAFFE)):
            turn = seen[row.subject, row.label] = seen.get((row.subject, row.label), 0) + 1
            who = chr(65 + (row.subject - 1) // 26 % 26) + chr(65 + (row.subject - 1) % 26)
            name = f"{who}.{_JAFFE[row.label]}{turn}.{row.index + 1}.tiff"
            save_image(root / "jaffe" / name, row.draw(size, seed))


def write_pressfaces(
    folder: str | os.PathLike,
    count: int = 350,
    subjects: int = 40,
    size: int = 96,
    seed: int = 0,
    *,
    overwrite: bool = False,
) -> None:
    """Write the press faces: ``images/Drawn_Person_s001_0001.jpg`` and ``data/legend.csv``.

    The table has the columns user.id, image and emotion (words in mixed case). Every ninth image is
    of a series that is named after no person.
    """
    check_arguments(count, subjects, size, seed)
    with new_folder(folder, overwrite) as root:
        (root / "images").mkdir()
        (root / "data").mkdir()
        table = ["user.id,image,emotion"]
        for row in balanced_rows(count, subjects, seed, labels.FER2013):
            name = f"Drawn_Person_s{row.subject:03d}_{row.index + 1:04d}.jpg"
            if row.index % 9 == 8:
                name = f"drawn-expressions_{row.index:07d}k.jpg"
            save_image(root / "images" / name, row.draw(size, seed))
            table.append(f"302,{name},{_PRESS[row.label]}")
        (root / "data" / "legend.csv").write_text("\n".join(table) + "\n")


def write_expw(
    folder: str | os.PathLike,
    count: int = 100,
    subjects: int = 60,
    size: int = 320,
    seed: int = 0,
    *,
    overwrite: bool = False,
) -> None:
    """Write ExpW: photographs in ``image/origin/`` and their faces in ``label/label.lst``.

    `count` is the number of photographs of one or two people, `size` their height in pixels. A line
    holds the image's name, the face's number, its box (top, left, right, bottom), a confidence and
    the code of the expression.
    """
    check_arguments(count, subjects, size, seed)
    words, lines = labels.FER2013, []
    with new_folder(folder, overwrite) as root:
        (root / "image" / "origin").mkdir(parents=True)
        (root / "label").mkdir()
        for index in range(count):
            people = [index % subjects + 1, (index + 1) % subjects + 1][: 1 + index % 2]
            shown = [words[(index + k) % len(words)] for k in range(len(people))]
            photo = draw_photo(shown, size * 4 // 3, size, seed=seed, index=index, subjects=people)
            name = f"drawn_{shown[0]}_{index}.jpg"
            save_image(root / "image" / "origin" / name, photo.image)
            for face, (box, word) in enumerate(zip(photo.boxes, shown, strict=True)):
                x, y, w, h = (int(v) for v in box)
                code = words.index(word)
                lines.append(f"{name} {face} {y} {x} {x + w} {y + h} {40 + face}.5 {code}")
        (root / "label" / "label.lst").write_text("\n".join(lines) + "\n")
