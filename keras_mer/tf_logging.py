"""Leave out of a script's stderr what TensorFlow's C++ prints there and no setting silences."""

import atexit
import os
import re
import threading

_NOISE = re.compile(
    rb"WARNING: All log messages before absl|[IWE]0000 00:00|INFO: Created TensorFlow Lite"
)


def filter_stderr() -> None:
    """From now on drop such lines; every other line passes, whoever in this process prints it.

    Does nothing where the user has set TF_CPP_MIN_LOG_LEVEL: who sets it wants to read the log.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    read, write = os.pipe()
    stderr = os.dup(2)
    os.dup2(write, 2)
    os.close(write)

    def pass_on() -> None:
        with os.fdopen(read, "rb") as lines:
            for line in lines:
                if not _NOISE.match(line):
                    os.write(stderr, line)

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()

    def finish() -> None:
        os.dup2(stderr, 2)  # closes the pipe's last end, so that the thread ends
        thread.join(timeout=2)

    atexit.register(finish)


def load_ipython_extension(_shell) -> None:
    """The same in a notebook: ``%load_ext keras_mer.tf_logging``, before TensorFlow is imported."""
    filter_stderr()
