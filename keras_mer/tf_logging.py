"""Filter of stderr for TensorFlow's C++ log lines that no setting suppresses."""

import atexit
import os
import re
import threading

_NOISE = re.compile(
    rb"WARNING: All log messages before absl|[IWE]0000 00:00|INFO: Created TensorFlow Lite"
)


def filter_stderr() -> None:
    """Drop TensorFlow's log lines from this process's stderr; all other lines pass.

    Does nothing when the user has set TF_CPP_MIN_LOG_LEVEL to read the log.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    read, write = os.pipe()
    stderr = os.dup(2)
    os.dup2(write, 2)
    os.close(write)

    def forward() -> None:
        with os.fdopen(read, "rb") as lines:
            for line in lines:
                if not _NOISE.match(line):
                    os.write(stderr, line)

    thread = threading.Thread(target=forward, daemon=True)
    thread.start()

    def finish() -> None:
        os.dup2(stderr, 2)  # closes the last write end of the pipe, which ends the thread
        thread.join(timeout=2)

    atexit.register(finish)


def load_ipython_extension(_shell) -> None:
    """Filter stderr in a notebook: ``%load_ext keras_mer.tf_logging`` before TensorFlow."""
    filter_stderr()
