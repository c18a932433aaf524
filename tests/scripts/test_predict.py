import csv
import json

import cv2
import numpy as np
import pytest

from tests.face.drawing import scene


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    cv2.imwrite(str(folder / "bright.jpg"), scene((160, 120, 120, 250)))
    cv2.imwrite(str(folder / "more/bright.jpg"), scene((160, 120, 120, 100)))
    cv2.imwrite(str(folder / "nobody.png"), scene())
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    data = (folder / "bright.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    (folder / "notes.txt").write_text("left alone")
    return folder


def test_a_folder_of_images(script, tiny_model, photos, tmp_path):
    done = script("predict.py", "--model", tiny_model, photos, "--json", "out.json",
                  "--csv", "out.csv", "--annotate", "drawn", "--detector", "haar")  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[2:]}
    assert "happy" in rows[str(photos / "bright.jpg")]
    assert "sad" in rows[str(photos / "more/bright.jpg")]
    assert "no face" in rows[str(photos / "nobody.png")]
    for broken in ("empty.jpg: empty file", "text.png: not an image", "cut.jpg: truncated image"):
        assert f"skipped {photos}/{broken}" in done.stderr
    assert "3 images, 2 faces (1 happy, 1 sad), 1 without a face, 3 skipped" in done.stderr
    assert "notes.txt" not in done.stderr

    value = json.loads((tmp_path / "out.json").read_text())
    assert value["detector"] == "haar" and "faces by haar" in done.stderr
    assert len(value["images"]) == 3 and len(value["skipped"]) == 3
    face = value["images"][0]["faces"][0]
    assert face["label"] == "happy" and len(face["box"]) == 4 and len(face["probabilities"]) == 3
    with (tmp_path / "out.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["label"] for row in table] == ["happy", "sad"]
    assert float(table[0]["happy"]) == pytest.approx(face["probabilities"]["happy"])

    drawn = sorted(p.relative_to(tmp_path / "drawn") for p in (tmp_path / "drawn").rglob("*.*"))
    assert list(map(str, drawn)) == ["bright.jpg", "more/bright.jpg", "nobody.png"]
    before, after = (
        cv2.imread(str(photos / "bright.jpg")),
        cv2.imread(str(tmp_path / "drawn/bright.jpg")),
    )
    assert before.shape == after.shape and (before != after).mean() > 0.02


def test_equal_names_of_different_folders_do_not_overwrite(script, tiny_model, photos, tmp_path):
    script("predict.py", "--model", tiny_model, photos / "bright.jpg", photos / "more/bright.jpg",
           "--annotate", "drawn")  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == ["bright-2.jpg", "bright.jpg"]


def test_json_on_stdout_is_only_json(script, tiny_model, photos):
    done = script("predict.py", "--model", tiny_model, photos / "bright.jpg", "--json", "-")
    assert json.loads(done.stdout)["images"][0]["faces"][0]["label"] == "happy"


def test_crops_need_no_detection(script, tiny_model, tmp_path):
    cv2.imwrite(str(tmp_path / "crop.png"), np.full((48, 48), 10, np.uint8))
    done = script("predict.py", "--model", tiny_model, "crop.png", "--no-detect", "--csv", "-")
    row = done.stdout.splitlines()[1].split(",")
    assert row[:5] == ["crop.png", "0", "0", "48", "48"] and row[6] == "sad"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.jpg"], "none of the 1 files could be read"),
        (["."], "no images in ."),
        (["a.jpg", "--model", "nowhere"], "nowhere: no such model"),
        (["a.jpg", "--detector", "yunet"], "the yunet detector needs its file"),
    ],
)
def test_bad_input_is_one_line_and_status_2(script, tiny_model, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    options = {"cwd": tmp_path / "empty", "XDG_CACHE_HOME": str(tmp_path)}
    done = script("predict.py", "--model", tiny_model, *arguments, **options)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
