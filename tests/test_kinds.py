import json

import pytest

from keras_mer.errors import UserError
from keras_mer.kinds import Preprocessing

FLOW = {"flow": "dis", "side": 96, "margin": 0.3, "register": True, "head_motion": "removed"}


def test_a_preprocessing_record_is_written_and_read_back(tmp_path):
    made = Preprocessing.from_dict(FLOW | {"detector": "haar"}, "here")
    made.write(tmp_path)
    assert Preprocessing.read(tmp_path) == made and made.origin == "recorded"
    assert json.loads((tmp_path / "preprocessing.json").read_text())["side"] == 96
    assert Preprocessing.read(tmp_path / "none") is None
    (tmp_path / "preprocessing.json").write_text("{")
    with pytest.raises(UserError, match=r"preprocessing\.json: not valid JSON"):
        Preprocessing.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sied": 3}, r"here: unknown key 'sied' \(did you mean 'side'\?\)"),
        ({"flow": "diss"}, r"flow: expected one of .*got 'diss' \(did you mean 'dis'\?\)"),
        ({"flow": 3}, "flow: expected text, got 3"),
        ({"side": 16}, "side: expected 32 to 4096 pixels, got 16"),
        ({"side": 96.0}, "side: expected 32 to 4096 pixels, got 96.0"),
        ({"side": True}, "side: expected 32"),
        ({"margin": 1.5}, "margin: expected a share from 0 to 1, got 1.5"),
        ({"margin": float("nan")}, "margin: expected a share"),
        ({"margin": "0.1"}, "margin: expected a share"),
        ({"register": "yes"}, "register: expected true or false, got 'yes'"),
        ({"head_motion": ""}, "head_motion: expected one of removed, kept; got ''"),
        ({"flow": ""}, "head_motion: expected one of \"\"; got 'removed'"),
        ({"origin": "guessed"}, "origin: expected one of recorded, stated"),
        ({"origin": "stated"}, "basis: a stated preprocessing needs a text"),
    ],
)
def test_a_wrong_key_is_named_in_one_line(change, message):
    with pytest.raises(UserError, match=message) as error:
        Preprocessing.from_dict(FLOW | change, "here")
    assert "\n" not in str(error.value)


def test_a_missing_key_and_what_is_no_mapping():
    with pytest.raises(UserError, match="here: the key 'margin' is missing"):
        Preprocessing.from_dict({"flow": "dis", "side": 96}, "here")
    with pytest.raises(UserError, match="here: expected a mapping"):
        Preprocessing.from_dict([1], "here")


def test_records_differ_by_pixels_and_not_by_versions():
    one = Preprocessing.from_dict(FLOW | {"detector": "haar", "opencv": "4.10"}, "one")
    assert one.difference(Preprocessing.from_dict(FLOW, "two")) == ""
    other = Preprocessing.from_dict(FLOW | {"detector": "yunet"}, "other")
    assert one.difference(other) == "detector"
