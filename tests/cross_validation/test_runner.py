"""Runs of the protocol: resumed, spread over processes and machines, and always the same."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest

from keras_mer import synthetic
from keras_mer.config import recipe as recipes
from keras_mer.cross_validation import folds, jobs, parallel, runner
from keras_mer.cross_validation import scores as fold_scores
from keras_mer.data import build
from keras_mer.data.inputs import Samples
from keras_mer.errors import UserError
from keras_mer.models import saving
from keras_mer.training import run_folder
from tests.conftest import REAL_DATA
from tests.people import TINY, people, recipe


@pytest.fixture(scope="module")
def clips():
    return people()


def samples_of(manifest, inputs):
    return Samples(inputs, manifest.targets(), manifest.labels(), manifest.classes)


def run(recipe, clips, folder, **how):
    manifest, inputs = clips
    how = {"jobs": 1, "samples": samples_of(manifest, inputs)} | how
    return runner.run(recipe, manifest, folder, **how)


def fold_result(recipe, manifest, inputs, fold):
    return jobs.run(jobs.Job(recipe, manifest, samples_of(manifest, inputs), fold, 0))


def table(folder):
    return (folder / "predictions.csv").read_text()


def test_a_run_leaves_every_clip_predicted_once_a_seed(clips, tmp_path):
    scores = run(recipe(TINY, seeds=[0, 1], test_set_selection=1), clips, tmp_path / "run")
    t = fold_scores.read(tmp_path / "run")
    manifest, _ = clips
    for seed in (0, 1):
        mine = t.where(t.seed == seed)
        assert sorted(mine.clip) == sorted(s.clip for s in manifest)
        truth = dict(zip(mine.clip, mine.truth, strict=True))
        assert [truth[s.clip] for s in manifest] == manifest.labels().tolist()
        assert (mine.fold == mine.subject).all()
    np.testing.assert_array_equal(t.probabilities.argmax(1), t.prediction)
    saved = json.loads((tmp_path / "run/metrics.json").read_text())
    assert saved == json.loads(json.dumps(scores))
    assert saved["test_set_selection"]["whole"]["accuracy"][0] >= saved["whole"]["accuracy"][0]
    assert "leaky" in saved["test_set_selection"]["note"]
    assert (tmp_path / "run/predictions-test-set-selection.csv").is_file()
    page = (tmp_path / "run/report.md").read_text()
    assert "| one | 24 |" in page and "| two | 24 |" in page and "Test-set selection" in page
    assert (tmp_path / "run/confusion.png").stat().st_size > 5000


def test_a_run_that_was_stopped_goes_on_where_it_was(clips, tmp_path, monkeypatch):
    made = recipe(TINY)
    run(made, clips, tmp_path / "whole")
    written = []

    def full_disk(path, value, real=runner.write_json):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        real(path, value)

    monkeypatch.setattr(runner, "write_json", full_disk)
    with pytest.raises(KeyboardInterrupt):
        run(made, clips, tmp_path / "run")
    monkeypatch.undo()
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "run/folds").iterdir()}
    assert len(kept) == 3 and not (tmp_path / "run/predictions.csv").exists()
    run(made, clips, tmp_path / "run")
    assert all(file.stat().st_mtime_ns == then for file, then in kept.items())
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_a_folder_of_another_recipe_or_of_other_clips_is_refused(clips, tmp_path):
    run(recipe(), clips, tmp_path)
    with pytest.raises(UserError, match="protocol"):
        run(recipe(kind="kfold"), clips, tmp_path)
    manifest, inputs = clips
    fewer = manifest.where(lambda s: s.subject != "one:s1")
    with pytest.raises(UserError, match="over 48 other samples"):
        run(recipe(), (fewer, inputs[:-6]), tmp_path)


def test_what_is_chosen_is_chosen_without_the_outer_fold(clips):
    space = {"training.rate": [1e-9, 0.01]}
    training = {"epochs": 12, "search_space": space}
    made = recipe(TINY, training, kind="kfold", folds=3, search_folds=3)
    manifest, inputs = clips
    fold = folds.outer(manifest, made.protocol)[0]
    result = fold_result(made, manifest, inputs, fold)
    assert result["chosen"] == {"training.rate": 0.01} and len(result["tried"]) == 2
    # the outer fold's clips as noise, its labels as anything: the choice does not see them
    noise = inputs.copy()
    noise[fold.test] = np.random.default_rng(0).integers(0, 256, noise[fold.test].shape)
    other = fold_result(made, manifest, noise, fold)
    assert other["tried"] == result["tried"] and other["chosen"] == result["chosen"]


def test_processes_give_what_one_gives(clips, tmp_path):
    one = run(recipe(), clips, tmp_path / "one")
    two = run(recipe(), clips, tmp_path / "two", jobs=2)
    assert table(tmp_path / "one") == table(tmp_path / "two")
    assert one["whole"] == two["whole"]


@pytest.mark.slow
def test_a_dask_cluster_whose_worker_is_killed_midway_loses_and_doubles_nothing(tmp_path):
    distributed = pytest.importorskip("distributed")
    clips = people(subjects=24, each=9, size=28)
    run(recipe(), clips, tmp_path / "one")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
    )
    with cluster, distributed.Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        killed = []

        def kill_one():
            end = time.time() + 100
            while time.time() < end:
                done = len(list((tmp_path / "run/folds").glob("0*.json")))
                if done:  # the first of 24
                    os.kill(pids[0], signal.SIGKILL)
                    killed.append(done)
                    return
                time.sleep(0.005)

        watcher = threading.Thread(target=kill_one)
        watcher.start()
        run(recipe(), clips, tmp_path / "run", backend="dask")
        watcher.join()
        assert pids[0] not in client.run(os.getpid).values()
    assert killed and killed[0] < 24
    assert len(list((tmp_path / "run/folds").iterdir())) == 24
    assert table(tmp_path / "run") == table(tmp_path / "one")


def test_a_cluster_that_is_not_there_is_named():
    expected = pytest.raises(UserError, match=r"unknown backend 'dusk' \(did you mean 'dask'")
    with expected, parallel.cluster("dusk", None):
        pass


def test_frames_in_time_are_learnt_by_a_recurrent_network():
    """Clips whose single frames all look alike: only the order tells the classes apart."""
    manifest, _ = people(subjects=6, each=6)
    random = np.random.default_rng(0)
    labels = manifest.labels()
    inputs = random.integers(90, 130, (len(labels), 6, 16, 16, 1)).astype(np.uint8)
    for clip, label in zip(inputs, labels, strict=True):
        order = {0: range(6), 1: range(5, -1, -1), 2: [0] * 6}[int(label)]
        for frame, place in enumerate(order):
            clip[frame, 2 * place : 2 * place + 5] += 100
    model = {
        "name": "cnn_bilstm", "frames": 6, "size": 16, "units": 12, "dropout": 0.1,
        "encoder": {"name": "lenet", "filters": [4, 8], "units": 16, "dropout": 0.1},
    }  # fmt: skip
    made = recipe(model, {"epochs": 40, "rate": 0.01}, kind="kfold", folds=3)
    made = made.changed({"augment.flip": False})
    right = []
    for fold in folds.outer(manifest, made.protocol):
        result = fold_result(made, manifest, inputs, fold)
        right += (np.array(result["prediction"]) == labels[fold.test]).tolist()
    assert np.mean(right) > 0.7  # a third is chance; half have the commonest class


@pytest.mark.slow
def test_drawn_clips_of_people_left_out_are_recognised_well_above_chance(tmp_path):
    """The whole road: SMIC's files, faces found and held still, frames, LOSO, the interval."""
    synthetic.write_smic(
        tmp_path / "smic", count=48, subjects=8, size=96, intensity=0.4, duration=(0.15, 0.3)
    )
    model = {
        "name": "cnn_bilstm", "frames": 8, "size": 32, "units": 16, "dropout": 0.2, "magnify": 4.0,
        "encoder": {"name": "lenet", "filters": [8, 16], "units": 16, "dropout": 0.2},
    }  # fmt: skip
    made = recipe(model, {"epochs": 30}).changed(
        {"data.sources": {"smic": str(tmp_path / "smic")}, "data.vocabulary": "megc3"}
    )
    manifest = build.load_sources(made.data.sources, made.data.vocabulary)
    scores = runner.run(made, manifest, tmp_path / "run", jobs=1)
    assert scores["protocol"] == "loso" and scores["subjects"] == 8
    for name in ("macro_f1", "uar"):  # three classes, equally often: chance is a third
        value, low, _ = scores["whole"][name]
        assert value > 0.7 and low > 0.5, scores["whole"]


@pytest.mark.parametrize("model", [TINY, {"name": "svm", "size": 12}], ids=["flow", "svm"])
def test_the_final_model_is_fitted_on_all_samples_in_the_run_of_the_folds(
    model, tmp_path, monkeypatch
):
    manifest, inputs = people(subjects=4)
    monkeypatch.setattr(runner, "load_samples", lambda *_, **__: samples_of(manifest, inputs))
    made = recipe(model, {"ensemble_size": 2} if model is TINY else {})
    runner.run(made, manifest, tmp_path, jobs=1)
    scores = (tmp_path / "metrics.json").read_text()
    file = runner.fit_final(made, manifest, tmp_path)
    assert file == tmp_path / "model.keras"
    p = saving.load_model(file, manifest.classes).predict(inputs.astype("f"), verbose=0)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    _, kept = run_folder.load_run(tmp_path)
    assert kept.counts("split") == {"train": len(manifest)}
    runner.run(made, manifest, tmp_path, jobs=1)  # the folds are still this run's
    assert (tmp_path / "metrics.json").read_text() == scores


def test_the_final_model_chooses_as_a_fold_does(tmp_path, monkeypatch):
    manifest, inputs = people()
    monkeypatch.setattr(runner, "load_samples", lambda *_, **__: samples_of(manifest, inputs))
    model = {"name": "flow_kernel", "size": 12, "smooth": 0}
    # with this reach, no sample resembles another one
    space = {"model.reach": [1e4, 0.5], "model.ridge": [0.1]}
    made = recipe(model, {"search_space": space}, search_folds=3)
    file = runner.fit_final(made, manifest, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["chosen"] == {"model.reach": 0.5, "model.ridge": 0.1}
    p = saving.load_model(file, manifest.classes).predict(inputs.astype(np.float32), verbose=0)
    assert (p.argmax(1) == manifest.labels()).mean() > 0.9


def on_the_real_clips(name, run):
    folder = REAL_DATA / "megc2019-flow"
    if not folder.is_dir():
        pytest.skip("needs the published flow images of MEGC 2019")
    made = recipes.load(name, data=[str(folder)])
    manifest = build.load_sources(made.data.sources, made.data.vocabulary)
    return runner.run(made, manifest, run, jobs=1)


def test_the_floor_on_the_real_clips(tmp_path):
    scores = on_the_real_clips("megc2019-svm", tmp_path)
    assert scores["whole"]["clips"] == 309 and scores["subjects"] == 40
    assert scores["whole"]["macro_f1"][0] == pytest.approx(0.756, abs=0.001)
    assert scores["whole"]["uar"][0] == pytest.approx(0.769, abs=0.001)
    assert {name: v["clips"] for name, v in scores["datasets"].items()} == {
        "casme2": 145,
        "smic": 164,
    }


@pytest.mark.slow
def test_the_flow_model_on_the_real_clips(tmp_path):
    scores = on_the_real_clips("megc2019-flow", tmp_path)
    assert scores["whole"]["macro_f1"][0] == pytest.approx(0.808, abs=0.004)
    assert scores["whole"]["uar"][0] == pytest.approx(0.816, abs=0.004)
    assert len(scores["chosen"]) == 40
