"""Entry point of the scripts: user errors become one line and an exit status."""

import os
import sys
from collections.abc import Callable

from keras_mer.errors import UserError
from keras_mer.tf_logging import filter_stderr


def run_script(main: Callable[[], int | None]) -> None:
    """Run a script's `main` and exit: a `UserError` or a full disk becomes one line, status 2."""
    filter_stderr()
    try:
        sys.exit(main() or 0)
    except UserError as error:
        sys.exit(_report(str(error), 2))
    except OSError as error:
        if error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        sys.exit(_report(f"{os.strerror(error.errno)}{where}", 2))
    except KeyboardInterrupt:
        sys.exit(_report("interrupted", 130))


def _report(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status
