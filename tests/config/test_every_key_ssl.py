"""Every key that `make ssl-kd` reads is honored or refused."""

import pytest

from tests.config.walk import different, keys_of, walk  # noqa: F401

pytestmark = pytest.mark.slow


def test_pretraining_repeats_itself(walk):  # noqa: F811
    key = "dino.rate"
    recipe = walk.recipe("ssl-kd", {})
    assert not different(walk.compute("ssl-kd", recipe, key), walk.compute("ssl-kd", recipe, key))


@pytest.mark.parametrize("key", keys_of("ssl-kd"))
def test_ssl_kd(key, walk):  # noqa: F811
    walk.assert_honored_or_refused("ssl-kd", key)
