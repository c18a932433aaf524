"""The one exception a user may meet, and how a script shows it."""

import difflib
import os
import sys
from collections.abc import Callable, Iterable

from keras_mer.noise import filter_stderr


class UserError(ValueError):
    """Input that cannot be used: one line that says what was expected, what came, and what to do.

    Scripts print it without a traceback and exit with status 2; a library user catches it as a
    `ValueError`.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause ` (did you mean 'x'?)` naming the known word closest to `name`, or ``""``."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{match[0]}'?)" if match else ""


def run_script(main: Callable[[], int | None]) -> None:
    """Run a script's `main` and exit: a `UserError` or a full disk becomes one line, status 2."""
    filter_stderr()
    try:
        sys.exit(main() or 0)
    except UserError as error:
        sys.exit(_say(str(error), 2))
    except OSError as error:
        if error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        sys.exit(_say(f"{os.strerror(error.errno)}{where}", 2))
    except KeyboardInterrupt:
        sys.exit(_say("interrupted", 130))


def _say(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status
