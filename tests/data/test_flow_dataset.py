import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.data import build, flow_dataset, sources
from keras_mer.errors import UserError
from keras_mer.kinds import Preprocessing
from tests.conftest import REPOSITORY

LOOK = {"count": 4, "subjects": 2, "size": 96, "rest": 2, "duration": (0.08, 0.12)}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow") / "casme2"
    truth = synthetic.write_casme2(folder, classes=("surprise", "happy"), intensity=0.5, **LOOK)
    return folder, truth


def test_clips_become_a_dataset_of_flow_images(drawn, tmp_path):
    folder, truth = drawn
    manifest = sources.load("casme2", folder)
    shutil.copytree(folder, tmp_path / "copy")
    for file in (tmp_path / "copy" / truth[3].path).iterdir():  # unreadable after it was listed
        file.write_bytes(b"")
    broken = sources.load("casme2", tmp_path / "copy")
    count, failed = flow_dataset.write(broken, tmp_path / "flow", side=64)
    assert count == 3 and [path for path, _ in failed] == [truth[3].path]
    assert "empty file (0 bytes)" in failed[0][1]
    made = sources.load("flow-images", tmp_path / "flow")
    for sample, t in zip(made, truth, strict=False):
        assert (sample.source, sample.subject) == ("casme2", f"casme2:{t.subject}")
        assert (sample.label, sample.clip) == (t.label, f"casme2:{t.clip}")
        assert float(sample.note.removeprefix("amplitude ")) > 0.005
        assert cv2.imread(str(made.root / sample.path)).shape == (28, 28, 3)
    with pytest.raises(UserError, match="flow is in use; choose another folder"):
        flow_dataset.write(manifest, tmp_path / "flow")


def test_the_motion_of_one_clip_and_an_apex_that_is_not_given(drawn):
    folder, truth = drawn
    manifest = sources.load("casme2", folder)
    t = next(t for t in truth if t.label == "surprise")
    sample = flow_dataset.find(manifest, t.path.removeprefix("Cropped/"))
    given = flow_dataset.rise(manifest, sample, 96)
    assert given.numbers == (t.onset, t.apex) and not given.spotted
    up = given.flow[20:40, 20:76, 1].mean()
    assert up < -0.3  # raised brows
    found = flow_dataset.rise(manifest, replace(sample, apex=None), 96)
    assert found.spotted and abs(found.numbers[1] - t.apex) <= 2
    assert np.corrcoef(given.flow.ravel(), found.flow.ravel())[0, 1] > 0.9
    with pytest.raises(UserError, match=r"no clip 'EP77'; e.g. Cropped/sub01/EP01_01f"):
        flow_dataset.find(manifest, "EP77")
    with pytest.raises(UserError, match="2 clips are called 'EP01_01f'"):
        flow_dataset.find(manifest, "EP01_01f")


def test_the_script(drawn, tmp_path):
    folder, truth = drawn

    def run(*args):
        return subprocess.run(
            [sys.executable, "scripts/flow.py", "--data", f"casme2={folder}", *args],
            cwd=REPOSITORY, capture_output=True, text=True,
        )  # fmt: skip

    out = tmp_path / "flow"
    done = run(
        "--out", str(out), "--vocabulary", "megc3", "--face-side", "64", "--face-margin", "0.2",
        "--method", "dis-fast",
    )  # fmt: skip
    assert done.returncode == 0 and "wrote 4 flow images" in done.stdout, done.stderr
    made = Preprocessing.read(out)
    assert (made.flow, made.side, made.margin, made.detector) == ("dis-fast", 64, 0.2, "haar")
    assert sources.load("flow-images", out).classes == ("negative", "positive", "surprise")
    shot = tmp_path / "motion.png"
    done = run("--picture", truth[0].path, "--out", str(shot))
    assert done.returncode == 0 and f"apex {truth[0].apex}" in done.stdout, done.stderr
    assert cv2.imread(str(shot)).shape == (240, 960, 3)
    done = run("--out", str(out))
    assert done.returncode == 2 and "error:" in done.stderr and "in use" in done.stderr


def test_flow_of_clips_is_computed_once_where_a_recipe_asks_for_flow_images(
    drawn, tmp_path, monkeypatch
):
    folder, truth = drawn
    shutil.copytree(folder, tmp_path / "casme2")
    gone, *kept = truth
    shutil.rmtree(tmp_path / "casme2" / gone.path)
    monkeypatch.chdir(tmp_path)
    spec = {"flow-images": {"path": "casme2", "dataset": "casme2"}}
    first = build.load_sources(spec, "casme5")
    clips = [s for s in first if s.split != "dropped"]
    assert [(s.subject, s.clip, s.source) for s in clips] == [
        (f"casme2:{t.subject}", f"casme2:{t.clip}", "casme2") for t in kept
    ]
    (dropped,) = [s for s in first if s.split == "dropped"]
    assert dropped.clip == f"casme2:{gone.clip}" and "no frames" in dropped.note
    (made,) = Path("data/flow").iterdir()
    written = (made / "samples.csv").stat().st_mtime_ns
    assert list(build.load_sources(spec, "casme5")) == list(first)
    assert (made / "samples.csv").stat().st_mtime_ns == written
    # a clip that changes is another dataset
    frames = sorted((tmp_path / "casme2" / kept[0].path).iterdir())
    frames[-1].unlink()
    build.load_sources(spec, "casme5")
    assert len(list(Path("data/flow").iterdir())) == 2
    with pytest.raises(UserError, match="no clips of smic of which flow could be computed"):
        build.load_sources({"flow-images": {"path": "casme2", "dataset": "smic"}}, "megc3")
