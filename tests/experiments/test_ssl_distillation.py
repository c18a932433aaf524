"""Self-supervised distillation on a tiny dataset: a run per stage, resumed when interrupted."""

import csv
import json

import keras
import numpy as np
import pytest

from keras_mer.config import recipe as recipes
from keras_mer.data import build, loading
from keras_mer.errors import UserError
from keras_mer.evaluation import knn
from keras_mer.experiments import label_efficiency, ssl_distillation, stages
from keras_mer.models import cost, saving
from keras_mer.models.features import features
from keras_mer.training import dino, distillation, run_folder, setup


def tiny_experiment(dataset, *more):
    return recipes.load(
        "ssl-kd-demo",
        [
            "model.stem=4", "model.filters=[8, 8]", "model.size=24",
            "split.fractions=[0.7, 0.15, 0.15]", "training.epochs=2", "training.warmup=0",
            "dino.epochs=2", "dino.batch=32", "dino.warmup=0", "dino.outputs=16", "dino.hidden=16",
            "dino.bottleneck=8", "dino.local_crops=2", "dino.local_size=16", "dino.nearest_every=1",
            "student.model={name: cnn, size: 24, stem: 4, filters: [6], pool: average}",
            "student.epochs=1",
            "ssl_distillation.labels=0.5", "ssl_distillation.seeds=[0]",
            "ssl_distillation.variants=[float32]", *more,
        ],
        data=[str(dataset)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def manifest(tiny_dataset):
    how = build.keywords(tiny_experiment(tiny_dataset))
    return build.build(how.pop("sources"), **how)[0]


@pytest.fixture(scope="module")
def home(tiny_dataset, manifest, quick_int8, tmp_path_factory):
    """An experiment that was killed in its first stage's second epoch, and called again."""
    folder = tmp_path_factory.mktemp("ssl-distillation")
    recipe = tiny_experiment(tiny_dataset)

    def killed(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dino.KnnMonitor, "on_epoch_begin", killed, raising=False)
        with pytest.raises(KeyboardInterrupt):
            ssl_distillation.run(recipe, manifest, folder / "run", out=folder / "model")
    assert [p.name for p in (folder / "run/dino").glob("checkpoint*")] == ["checkpoint-0001"]
    found = ssl_distillation.run(recipe, manifest, folder / "run", out=folder / "model")
    return folder, found


def history(folder):
    with (folder / "history.csv").open() as f:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f)]


@pytest.mark.slow
def test_killed_pretraining_resumes_with_a_complete_history(home):
    run = home[0] / "run/dino"
    rows = history(run)
    assert [row["epoch"] for row in rows] == [1, 2]
    # 294 images, 32 a batch
    assert [row["step"] for row in rows] == [9, 18]
    assert {"information", "entropy", "mean_output_entropy", "deviation", "rank", "nearest"} <= set(
        rows[0]
    )
    for name in ("neighbors.png", "embedding.png", "curves.png"):
        assert (run / name).stat().st_size > 10_000


@pytest.mark.slow
def test_the_last_teacher_is_saved_with_its_knn_accuracy(home, manifest):
    run = home[0] / "run/dino"
    body = features(saving.load_model(run, manifest.classes))
    parts = [manifest.where(lambda s: s.split == "train"), manifest.part("validation")]
    found = [knn.embed(body, loading.load_images(p, *body.input_shape[1:])) for p in parts]
    votes = knn.classify(found[0], parts[0].labels(), found[1], 7, k=20)
    accuracy = (votes.argmax(1) == parts[1].labels()).mean()
    assert accuracy == pytest.approx(history(run)[-1]["nearest"], abs=0.02)


@pytest.mark.slow
def test_every_stage_is_a_run_and_the_table_reports_its_gain(home, manifest):
    folder, found = home
    for kind in ssl_distillation.MODELS:
        run = folder / "run" / f"{kind}-seed0"
        assert stages.done(run) and (run / "evaluation-test/metrics.json").is_file()
        scores = json.loads((run / "evaluation-test/metrics.json").read_text())
        assert found["models"][kind]["accuracy"][0] == pytest.approx(
            scores["whole"]["accuracy"][0], abs=1e-4
        )
    teacher, student = (found["models"][k] for k in ("teacher-dino", "student-distilled"))
    assert student["parameters"] < teacher["parameters"]
    assert student["multiply_adds"] < teacher["multiply_adds"]
    text = (folder / "run/table.md").read_text()
    assert "student distilled" in text and "DINO for the teacher" in text
    card = json.loads((folder / "model/card.json").read_text())
    assert card["training"]["recipe"]["student"]["teachers"] == [
        str(folder / "run/teacher-dino-seed0")
    ]


@pytest.mark.slow
def test_the_label_fraction_applies_to_all_but_the_distilled_student(home, manifest):
    folder = home[0] / "run"
    counts = {kind: run_folder.load_run(folder / f"{kind}-seed0")[1].counts("split")["train"]
              for kind in ssl_distillation.MODELS}  # fmt: skip
    whole = manifest.counts("split")["train"]
    few = round(0.5 * whole)
    assert counts == {"teacher-scratch": few, "teacher-dino": few, "student-alone": few,
                      "student-distilled": whole}  # fmt: skip


@pytest.mark.slow
def test_the_distilled_student_has_its_own_number_of_epochs(home):
    epochs = {kind: len(history(home[0] / f"run/{kind}-seed0")) for kind in ssl_distillation.MODELS}
    assert epochs == {"teacher-scratch": 2, "teacher-dino": 2, "student-alone": 2,
                      "student-distilled": 1}  # fmt: skip


@pytest.mark.slow
def test_fine_tuning_starts_from_the_pretrained_body(home, tiny_dataset):
    recipe, _ = run_folder.load_run(home[0] / "run/teacher-dino-seed0")
    assert recipe.transfer.weights == str(home[0] / "run/dino") and recipe.transfer.batch_norm
    assert run_folder.load_run(home[0] / "run/teacher-scratch-seed0")[0].transfer.weights == "none"


@pytest.mark.slow
def test_completed_stages_are_skipped(home, tiny_dataset, manifest):
    folder, found = home
    times = {p: p.stat().st_mtime for p in folder.rglob("model.keras")}
    again = ssl_distillation.run(
        tiny_experiment(tiny_dataset), manifest, folder / "run", out=folder / "model"
    )
    assert again == found
    assert times == {p: p.stat().st_mtime for p in folder.rglob("model.keras")}
    with pytest.raises(UserError, match="holds a run with dino.rate = 0.008, not 0.1"):
        ssl_distillation.run(
            tiny_experiment(tiny_dataset, "dino.rate=0.1"), manifest, folder / "run"
        )


@pytest.mark.slow
def test_frozen_probes_are_compared_with_a_random_network(home, tiny_dataset, manifest, tmp_path):
    found = label_efficiency.compare(
        tiny_experiment(tiny_dataset), manifest, home[0] / "run/dino", tmp_path,
        fractions=(0.2, 1.0), seeds=(0, 1), tune=False,
    )  # fmt: skip
    assert list(found["labels"]) == ["20 %", "100 %"]
    whole = found["labels"]["100 %"]
    assert set(whole) == {
        "k-NN", "linear probe", "k-NN, random network", "linear probe, random network",
        "k-NN over k-NN, random network",
        "linear probe over linear probe, random network",
    }  # fmt: skip
    assert "| linear probe |" in (tmp_path / "probes.md").read_text()


@pytest.mark.slow
@pytest.mark.slow
def test_teacher_logits_are_kept_when_nothing_is_augmented(home, tiny_dataset, manifest, tmp_path):
    changes = {f"augment.{name}": 0.0 for name in ("shift", "rotate", "zoom")}
    changes |= {"augment.flip": False, "training.epochs": 1}
    changes |= {"training.imbalance": "class_weights"}
    changes["student.teachers"] = [str(home[0] / "run/teacher-dino-seed0")] * 2
    recipe = tiny_experiment(tiny_dataset).changed(changes)
    recipe = recipe.model_copy(update={"model": recipe.student.model})
    distillation.distill(recipe, manifest, tmp_path / "run")
    (kept,) = (tmp_path / "run").glob("teachers-*.npy")
    given = np.load(kept)
    part = manifest.part("train")
    assert given.shape == (len(part), 2, 7)
    teacher = saving.load_model(home[0] / "run/teacher-dino-seed0")
    p = teacher.predict(loading.load_images(part, 24, 24, 1), verbose=0)
    shifted = np.exp(given[:, 0] - given[:, 0].max(1, keepdims=True))
    np.testing.assert_allclose(shifted / shifted.sum(1, keepdims=True), p, atol=1e-4)


def test_a_missing_student_or_teacher_is_an_error(tiny_dataset, manifest):
    with pytest.raises(UserError, match=r"student.model is missing"):
        ssl_distillation.run(tiny_experiment(tiny_dataset, "student.model={}"), manifest, "nowhere")
    with pytest.raises(UserError, match=r"student.teachers names no run"):
        distillation.distill(tiny_experiment(tiny_dataset), manifest, "nowhere")


@pytest.mark.parametrize("name", ["ssl-kd-demo", "ssl-kd-fer2013"])
def test_students_are_a_quarter_of_their_teachers(name):
    recipe = recipes.load(name)
    teacher = setup.build_model(recipe, tuple("abcdefg"))
    student = setup.build_model(
        recipe.model_copy(update={"model": recipe.student.model}), tuple("abcdefg")
    )
    assert student.count_params() <= teacher.count_params() / 4
    assert cost.multiply_adds(student) <= cost.multiply_adds(teacher) / 4


def test_collapse_in_two_consecutive_epochs_is_an_error():
    settings = recipes.load("ssl-kd-demo").dino
    healthy = {"information": 1.0, "deviation": 0.5, "entropy": 0.4}
    dead = {"information": 0.001, "deviation": 0.5, "entropy": 0.99}

    class Kept:
        history: list = []  # noqa: RUF012

    stop = dino.CollapseStop(settings, Kept)
    late = stop.grace + 1
    stop.on_epoch_end(late, dead)  # nothing before it
    Kept.history = [healthy]
    stop.on_epoch_end(late, dead)
    Kept.history = [dead]
    stop.on_epoch_end(0, dead)  # still warming up
    stop.on_epoch_end(late, healthy)
    with pytest.raises(UserError, match="DINO collapsed: in epochs .* lower dino.rate"):
        stop.on_epoch_end(late, dead)


def test_collapse_is_detected_with_a_frozen_last_layer():
    settings = recipes.load("ssl-kd-demo", ["dino.epochs=40", "dino.warmup=1"]).dino
    grace = {
        freeze: dino.CollapseStop(settings.model_copy(update={"freeze": freeze}), None).grace
        for freeze in (0, 5, 40)
    }
    assert grace == {0: 2, 5: 6, 40: 2}


def test_random_like_gives_new_weights_and_recalibrated_batch_norm():
    keras.utils.set_random_seed(0)
    normalize = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), normalize])
    x = np.random.default_rng(0).integers(0, 256, (50, 4), np.uint8)
    other = label_efficiency._random_like(model, x)
    assert np.abs(other.weights[0].numpy() - model.weights[0].numpy()).max() > 1e-3
    # in inference mode, too, it tells the inputs apart as one that has seen such inputs would
    np.testing.assert_allclose(other.predict(x, verbose=0).std(0), 1, rtol=0.05)
    assert other.layers[-1].momentum == normalize.momentum
