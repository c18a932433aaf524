"""Benchmark the training steps of DINO and distillation against plain supervised steps."""

import argparse
import resource
import time

from keras_mer.cli import run_script


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Steps run on one batch in memory, without the input pipeline, and are measured in "
        "processor time, which excludes other processes.",
    )
    parser.add_argument(
        "--recipe", default="ssl-kd-demo", help="recipe of networks, crops and batch sizes"
    )
    parser.add_argument("--steps", type=int, default=20, help="steps of each measurement")
    parser.add_argument(
        "--rounds", type=int, default=5, help="repetitions of the alternating measurements"
    )
    args = parser.parse_args()

    from keras_mer.config import recipe as recipes
    from keras_mer.training import device

    recipe = recipes.load(args.recipe)
    device.set_up(recipe.training.precision, 0, False)
    print(dino(recipe, args.steps, args.rounds), end="\n\n")
    print(distillation(recipe, args.steps, args.rounds), end="\n\n")
    print(crops(recipe, args.steps), end="\n\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"Peak memory of this process: {peak:.2f} GB.")


def dino(recipe, steps: int, rounds: int) -> str:
    """Compare DINO's step with a cross-entropy step of the same network on the same crops."""
    import keras
    import numpy as np

    from keras_mer.models import dino as models
    from keras_mer.models.features import features
    from keras_mer.training import dino as dino_training

    body = features(dino_training.network(recipe, tuple("abcdefg")))
    learner = dino_training.build(recipe, body, steps)
    s, shape = recipe.dino, body.input_shape[1:]
    small = s.local_size or shape[0]
    random = np.random.default_rng(0)
    views = {
        "global": random.uniform(0, 255, (s.batch, 2, *shape)).astype("f"),
        "local": random.uniform(0, 255, (s.batch, s.local_crops, small, small, shape[2])).astype(
            "f"
        ),
    }
    targets = keras.ops.one_hot(random.integers(0, s.outputs, s.batch), s.outputs)

    class Plain(models.DINO):
        """The student alone with a cross-entropy loss on all crops."""

        def call(self, inputs, training=False):
            return self._student(inputs, training)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            log = keras.ops.log_softmax(y_pred / 0.1, axis=-1)
            return -keras.ops.mean(keras.ops.sum(targets[:, None] * log, axis=-1))

        train_step = keras.Model.train_step

    plain = Plain(body, learner.head, learner.schedules, small)
    plain.compile(keras.optimizers.SGD(1e-3, 0.9), jit_compile=False)
    teacher = keras.Sequential([learner.teacher_backbone, learner.teacher_head])
    large = views["global"].reshape(-1, *shape)
    speeds = take_turns(
        {
            "DINO": lambda n: fit(learner, views, n),
            "plain": lambda n: fit(plain, views, n),
            "teacher": lambda n: predict(teacher, large, n),
        },
        steps,
        rounds,
    )
    name = f"DINO, {s.batch} images of 2 x {shape[0]} and {s.local_crops} x {small} pixels"
    return _table(name, "DINO", speeds, s.batch)


def distillation(recipe, steps: int, rounds: int) -> str:
    """Compare the distillation step with a supervised step plus the teacher's prediction."""

    import keras
    import numpy as np

    from keras_mer.models.distillation import Distillation
    from keras_mer.training import setup

    def student():
        own = recipe.model_copy(update={"model": recipe.student.model})
        return setup.build_model(own, tuple("abcdefg"))

    teacher = setup.build_model(recipe, tuple("abcdefg"))
    batch = recipe.training.batch
    random = np.random.default_rng(0)
    x = random.uniform(0, 255, (batch, *teacher.input_shape[1:])).astype("f")
    y = np.eye(7, dtype="f")[random.integers(0, 7, batch)]
    learner, plain = Distillation(student(), [teacher]), student()
    for model in (learner, plain):
        model.compile(
            keras.optimizers.SGD(1e-3, 0.9),
            keras.losses.CategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
    speeds = take_turns(
        {
            "distillation": lambda n: fit(learner, (x, y), n),
            "plain": lambda n: fit(plain, (x, y), n),
            "teacher": lambda n: predict(teacher, x, n),
        },
        steps,
        rounds,
    )
    return _table(f"distillation, {batch} images", "distillation", speeds, batch)


def crops(recipe, steps: int) -> str:
    """Throughput of the multi-crop input pipeline alone."""
    import numpy as np

    from keras_mer.data.transforms import multicrop
    from keras_mer.training import dino as dino_training

    s, size = recipe.dino, recipe.model["size"]
    images = np.random.default_rng(0).integers(0, 256, (512, size, size, 1), np.uint8)
    batches = iter(multicrop.view_batches(images, s.batch, dino_training.crops(recipe, size)))
    next(batches)
    start = time.process_time()
    for _ in range(steps):
        next(batches)
    views = steps * s.batch * (2 + s.local_crops) / (time.process_time() - start)
    return f"Input pipeline alone: {views:.0f} crops per second of processor time."


def fit(model, data, steps: int) -> None:
    import tensorflow as tf

    batch = tf.data.Dataset.from_tensors(data).repeat()
    model.fit(batch, steps_per_epoch=steps, verbose=0, shuffle=False)


def predict(model, images, steps: int) -> None:
    import tensorflow as tf

    model.predict(tf.data.Dataset.from_tensors(images).repeat(), steps=steps, verbose=0)


def take_turns(functions: dict, steps: int, rounds: int) -> dict[str, float]:
    """Median processor seconds per step; measurements alternate, so that load affects all alike."""
    import numpy as np

    times = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, run in functions.items():
            start = time.process_time()
            run(steps)
            if turn:  # the first round traces the function
                times[name].append((time.process_time() - start) / steps)
    return {name: float(np.median(values)) for name, values in times.items()}


def _table(title: str, name: str, seconds: dict[str, float], batch: int) -> str:
    from keras_mer.evaluation import report

    plain = seconds["plain"] + seconds["teacher"]
    rows = [
        [f"{name} step", seconds[name]],
        ["supervised step on the same images", seconds["plain"]],
        ["teacher prediction of the same images", seconds["teacher"]],
    ]
    rows = [[text, f"{1 / t:.1f}", f"{batch / t:.0f}"] for text, t in rows]
    over = 100 * (1 - plain / seconds[name])
    return report.table([title, "steps per processor second", "images"], rows) + (
        f"\n\nOverhead beyond both networks: {over:.1f} % of a step."
    )


if __name__ == "__main__":
    run_script(main)
