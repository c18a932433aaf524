"""Progress bars with an estimate of the remaining time."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
console = Console(highlight=False, soft_wrap=True)


def bar() -> Progress:
    """A rich progress bar: description, bar, count, elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` with a progress bar; `total` is needed when they have no length."""
    with bar() as progress:
        yield from progress.track(items, total=total, description=description)


class Callback:
    """Progress bar as a `callback(done, total)`, for functions that report their progress."""

    def __init__(self, description: str):
        self._description = description
        self._bar = bar()
        self._task = None

    def __enter__(self) -> "Callback":
        self._bar.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        self._bar.__exit__(*exception)

    def __call__(self, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._bar.add_task(self._description, total=total)
        self._bar.update(self._task, completed=done, total=total)
