"""Writers of synthetic micro-expression clips in the layouts of CASME II, SMIC and SAMM.

The same seed gives byte-identical files, including the tables.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_mer.errors import UserError, nearest
from keras_mer.labels import VOCABULARIES
from keras_mer.synthetic.clip_samples import (
    GroundTruth,
    Order,
    draw_all,
    facs,
    make_style,
    schedule,
)
from keras_mer.synthetic.store import (
    Progress,
    new_folder,
    save_table,
)

_SMIC_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
_SMIC_FPS = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}
_WORDS = {"happy": "happiness", "sad": "sadness", "angry": "anger"}


def write_casme2(
    folder: str | os.PathLike,
    count: int = 12,
    subjects: int = 4,
    size: int = 96,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = VOCABULARIES["casme5"],
    cropped: bool = True,
    overwrite: bool = False,
    jobs: int = 1,
    **look,
) -> list[GroundTruth]:
    """Write CASME II: ``Cropped/sub01/EP02_01f/reg_img46.jpg`` and its coding table, 200 fps.

    Raw frames are ``CASME2_RAW_selected/sub01/EP02_01f/img46.jpg``. Numbers are not padded.

    Args:
        folder: created atomically, even when interrupted.
        count: number of clips. subjects: of people, in turn. size: side in pixels.
        seed: random seed.
        progress: called as ``progress(done, total)`` after each clip.
        classes: labels in turn, those of casme5 first (in SAMM, samm5), so that every subject with
            as many clips has them all; see `clip_samples.DRAWN_AS` for repression.
        cropped: write the cropped edition, else the raw one.
        overwrite: replace a folder that is not empty.
        jobs: number of processes; the files are the same for any.
        look: ``intensity`` at the apex as a fraction of the full expression (0.3); ``duration``,
            shortest and longest time from onset to offset in seconds (0.04, 0.5); ``rest``,
            number of frames before the onset and after the offset (6); and `draw_clip`'s margin,
            drift, flicker, noise and variation.

    Returns:
        The ground truth of each clip, in the order of the table.

    Raises:
        UserError: for a folder that is not empty, an unknown class or a value out of range.
    """
    style = make_style(count, subjects, size, seed, 200.0, look)
    base, stem = ("Cropped", "reg_img") if cropped else ("CASME2_RAW_selected", "img")
    orders = []
    for k, number, turn, label in schedule(count, subjects, classes, "casme5"):
        subject, name = f"sub{number:02d}", f"EP{turn // 4 + 1:02d}_{turn % 4 + 1:02d}f"
        place = f"{base}/{subject}/{name}"
        orders.append(Order(k, number, label, place, subject, name, stem + "{}.jpg"))
    with new_folder(folder, overwrite) as root:
        drawn = draw_all(root, orders, style, jobs=jobs, progress=progress)
        rows = [
            # the original table contains subjects as numbers and as text
            (o.number if o.index % 2 else f"{o.number:02d}", o.clip, None, t.onset, t.apex,
             t.offset, None, facs(t.expression), _WORDS.get(o.label, o.label))
            for o, t in zip(orders, (d.truth for d in drawn), strict=True)
        ]  # fmt: skip
        header = (
            "Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None,
            "Action Units", "Estimated Emotion",
        )  # fmt: skip
        save_table(root / "CASME2-coding-20140508.xlsx", "Sheet1", [header, *rows])
    return [d.truth for d in drawn]


def write_samm(
    folder: str | os.PathLike,
    count: int = 12,
    subjects: int = 4,
    size: int = 96,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = (
        "angry",
        "happy",
        "surprise",
        "contempt",
        "others",
        "disgust",
        "fear",
        "sad",
    ),
    overwrite: bool = False,
    jobs: int = 1,
    **look,
) -> list[GroundTruth]:
    """Write SAMM: ``006/006_1_2/006_05562.jpg``, gray, zero-padded, and its table, 200 fps.

    The table's header is in row 14 of the sheet MICRO_ONLY. Arguments, result and errors as for
    `write_casme2`.
    """
    style = make_style(count, subjects, size, seed, 200.0, look)
    orders = []
    for k, number, turn, label in schedule(count, subjects, classes, "samm5"):
        subject = f"{number + 5:03d}"
        name = f"{subject}_{turn // 3 + 1}_{turn % 3 + 1}"
        file = subject + "_{:05d}.jpg"
        orders.append(Order(k, number, label, f"{subject}/{name}", subject, name, file))
    with new_folder(folder, overwrite) as root:
        drawn = draw_all(root, orders, style, gray=True, jobs=jobs, progress=progress)
        rows = []
        for order, truth in zip(orders, (d.truth for d in drawn), strict=True):
            label, length = order.label, truth.offset - truth.onset + 1
            word = _WORDS.get(label, "other" if label == "others" else label).capitalize()
            rows.append(
                (order.subject, order.clip, int(order.clip.split("_")[1]), truth.onset, truth.apex,
                 truth.offset, length, "Micro - 1/2", facs(truth.expression), word, 1, None)
            )  # fmt: skip
        notes = [("SAMM micro-movements, coded with FACS",)] + [
            (f"Note {n}",) for n in range(2, 14)
        ]
        header = (
            "Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame",
            "Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes",
        )  # fmt: skip
        save_table(root / "SAMM_Micro_FACS_Codes_v2.xlsx", "MICRO_ONLY", [*notes, header, *rows])
    return [d.truth for d in drawn]


def write_smic(
    folder: str | os.PathLike,
    count: int = 12,
    subjects: int = 4,
    size: int = 96,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    classes: Sequence[str] = VOCABULARIES["smic3"],
    camera: str = "HS",
    edition: str = "cropped",
    overwrite: bool = False,
    jobs: int = 1,
    **look,
) -> list[GroundTruth]:
    """Write SMIC, 100 fps (HS) or 25 fps (VIS, NIR), without apex annotation.

    Args:
        camera: HS, VIS or NIR.
        edition: ``cropped``, ``SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image46.jpg``
            from onset to offset; ``raw``, the same in ``HS/`` with ``image46.jpg``; or ``long``,
            whole recordings ``HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg`` and
            ``HS_long/SMIC-HS-E_annotation.xlsx``.

    The other arguments, result and errors as for `write_casme2`; the ground truth has the apex.
    """
    if camera not in _SMIC_FPS:
        raise UserError(f"unknown camera '{camera}'; expected one of {', '.join(_SMIC_FPS)}")
    bases = {"cropped": f"SMIC_all_cropped/{camera}", "raw": camera, "long": f"{camera}_long"}
    if edition not in bases:
        raise UserError(f"unknown edition '{edition}'; expected one of {', '.join(bases)}")
    for name in classes:
        if name not in _SMIC_CODES:
            raise UserError(f"SMIC has no class '{name}'{nearest(name, _SMIC_CODES)}")
    style = make_style(count, subjects, size, seed, _SMIC_FPS[camera], look)
    stem, long = "reg_image" if edition == "cropped" else "image", edition == "long"
    orders, counts = [], {}
    for k, number, _, label in schedule(count, subjects, classes):
        code = _SMIC_CODES[label]
        turn = counts[number, code] = counts.get((number, code), 0) + 1
        name = f"s{number}_{code}_{turn:02d}"
        inner = f"SMIC_{camera}_E/s{number:02d}" if long else f"s{number}/micro/{label}"
        place, clip_name = f"{bases[edition]}/{inner}/{name}", f"s{number:02d}_{code}_{turn:02d}"
        orders.append(Order(k, number, label, place, f"s{number:02d}", clip_name, stem + "{}.jpg"))
    with new_folder(folder, overwrite) as root:
        drawn = draw_all(root, orders, style, cut=not long, jobs=jobs, progress=progress)
        if long:
            header = (
                "Subject", "Filename", "Emotion", "OnsetF", "OffsetF", "TotalMF1", "FirstF",
                "LastF", "TotalVL",
            )  # fmt: skip
            rows = [
                (o.number, Path(o.place).name, o.label, t.onset, t.offset, t.offset - t.onset + 1,
                 d.first, d.first + d.frames - 1, d.frames)
                for o, d, t in zip(orders, drawn, (d.truth for d in drawn), strict=True)
            ]  # fmt: skip
            file = root / bases[edition] / f"SMIC-{camera}-E_annotation.xlsx"
            save_table(file, "Sheet1", [header, *rows])
    return [d.truth for d in drawn]
