"""Every key that `make loso` reads is honored or refused, for flow images, images and clips."""

import pytest

from tests.config.walk import different, keys, keys_of, walk  # noqa: F401

pytestmark = pytest.mark.slow


def test_the_base_recipe_repeats_itself(walk):  # noqa: F811
    key = "training.rate"
    recipe = walk.recipe("loso", {})
    assert not different(walk.compute("loso", recipe, key), walk.compute("loso", recipe, key))


@pytest.mark.parametrize("key", keys_of("loso"))
def test_loso(key, walk):  # noqa: F811
    walk.assert_honored_or_refused("loso", key)


@pytest.mark.parametrize("base", ["loso image", "loso clip"])
@pytest.mark.parametrize("key", keys("augment"))
def test_loso_of_other_kinds(base, key, walk):  # noqa: F811
    walk.assert_honored_or_refused(base, key)
