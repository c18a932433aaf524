"""The exception that reports unusable input."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Input that cannot be used: one line that says what was expected, what came, and what to do.

    Scripts print it without a traceback and exit with status 2; a library user catches it as a
    `ValueError`.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause ` (did you mean 'x'?)` naming the known word closest to `name`, or ``""``."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{match[0]}'?)" if match else ""
