import os
import subprocess
import sys

PROGRAM = """
import os, sys
from keras_mer.tf_logging import filter_stderr
filter_stderr()
os.write(2, b"I0000 00:00:1795 123 port.cc:153] oneDNN custom operations are on\\n")
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\\n")
print("a warning of ours", file=sys.stderr)
raise ValueError("the last words")
"""


def stderr(**settings):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment | settings, capture_output=True, text=True
    ).stderr


def test_tensorflow_lines_are_dropped_and_others_pass():
    lines = stderr().splitlines()
    assert lines[0] == "a warning of ours"
    assert lines[-1] == "ValueError: the last words"
    assert not any("oneDNN" in line or "absl" in line for line in lines)


def test_the_log_is_kept_when_the_user_sets_its_level():
    assert "oneDNN" in stderr(TF_CPP_MIN_LOG_LEVEL="0")
