"""Every key that `make train` reads is honored or refused, for images, flow images and clips."""

import pytest

from tests.config.walk import different, keys, keys_of, walk  # noqa: F401

pytestmark = pytest.mark.slow


def test_the_base_recipe_repeats_itself(walk):  # noqa: F811
    key = "training.rate"
    recipe = walk.recipe("train", {})
    assert not different(walk.compute("train", recipe, key), walk.compute("train", recipe, key))


@pytest.mark.parametrize("key", keys_of("train"))
def test_train(key, walk):  # noqa: F811
    walk.assert_honored_or_refused("train", key)


@pytest.mark.parametrize("base", ["train flow", "train clip"])
@pytest.mark.parametrize("key", [*keys("augment"), "data.preprocessing", "student.teachers"])
def test_train_of_other_kinds(base, key, walk):  # noqa: F811
    walk.assert_honored_or_refused(base, key)
