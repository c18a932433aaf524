"""Every key of a recipe is honored or refused: the table, the data, and models in closed form.

The other commands are walked in test_every_key_train.py, _loso.py and _ssl.py.
"""

import pytest

from tests.config.walk import keys, keys_of, walk  # noqa: F401
from tests.config.walk_table import BASES, KEYS

#: Keys of gradient training that the quick part walks.
QUICK = ("training.rate", "training.momentum", "student.changes", "data.preprocessing")


def test_the_table_has_every_key_of_the_schema():
    assert set(KEYS) == set(keys())


@pytest.mark.parametrize(
    ("base", "key"), [(base, key) for base in ("split", "audit") for key in keys_of(base)]
)
def test_data_and_split(base, key, walk):  # noqa: F811
    walk.assert_honored_or_refused(base, key)


@pytest.mark.parametrize("key", QUICK)
def test_a_few_keys_of_training(key, walk):  # noqa: F811
    walk.assert_honored_or_refused("train", key)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "key"),
    [
        (base, key)
        for base in BASES
        if base.endswith(("flow_kernel", "flow_linear", "svm"))
        for key in keys_of(base)
    ],
)
def test_models_in_closed_form(base, key, walk):  # noqa: F811
    walk.assert_honored_or_refused(base, key)
