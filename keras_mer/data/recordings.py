"""Long recordings with annotated intervals, as spotting is measured on them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keras_mer.data.sources.frame_numbers import check_order, parse_number
from keras_mer.errors import UserError

#: The kind of the intervals that a spotter of brief expressions is to find.
MICRO = "micro"


@dataclass(frozen=True)
class Interval:
    """An annotated event; frame numbers are the recording's own, both ends inclusive.

    Attributes:
        onset, apex, offset: of the event; the apex is None where it is not annotated.
        label: canonical name of the expression, empty where it is not annotated.
        kind: `MICRO`, which is scored, or anything else, which is not (``macro``, ``blink``).
    """

    onset: int
    apex: int | None
    offset: int
    label: str = ""
    kind: str = MICRO


@dataclass(frozen=True)
class Recording:
    """A recording and its annotation.

    Attributes:
        path: a folder of numbered frames, or a video, whose frames count from 0.
        name: for tables and messages. subject: the person's name.
        fps: frames per second; None takes what the file states.
        intervals: in the order of their onsets.
        notes: one line for each row of the table that was left out or changed.
    """

    path: Path
    name: str
    subject: str
    fps: float | None = None
    intervals: tuple[Interval, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[Interval, ...]:
        """The intervals that are scored."""
        return tuple(i for i in self.intervals if i.kind == MICRO)


@dataclass
class Rows:
    """Collects the rows of a table for each recording.

    Attributes:
        recordings: by a key of the source's choice, in the order in which they are shown.
    """

    recordings: dict[str, Recording]
    _found: dict[str, list[Interval]] = field(default_factory=dict)
    _notes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, key: str, where: str, times: tuple[str, str, str], label: str, kind: str) -> None:
        """Add one row.

        Args:
            key: of the recording.
            where: the row, for notes.
            times: onset, apex and offset as in the table; ``0`` and ``-1`` for an unknown apex or
                offset. An interval without an offset ends at its apex.
            label, kind: see `Interval`.
        """
        notes = self._notes.setdefault(key, [])
        errors: list[str] = []
        unknown = ("0", "-1")
        onset, apex, offset = (
            parse_number("" if k and text in unknown else text, name, errors)
            for k, (name, text) in enumerate(zip(("onset", "apex", "offset"), times, strict=True))
        )
        if offset is None and apex is not None:
            offset = apex
            notes.append(f"{where}: no offset, the apex {apex} is taken for it")
        if onset is None or offset is None:
            errors.append("onset and offset are needed")
        elif check_order(onset, None, offset):
            errors.append(check_order(onset, None, offset))
        elif check_order(onset, apex, offset):
            notes.append(f"{where}: {check_order(onset, apex, offset)}, taken as unknown")
            apex = None
        if errors:
            notes.append(f"{where}: left out: {'; '.join(errors)}")
        else:
            self._found.setdefault(key, []).append(Interval(onset, apex, offset, label, kind))

    def collect(self, root: Path, missing: Sequence[str] = ()) -> list[Recording]:
        """The recordings with their intervals.

        Args:
            root: the folder or table, for messages.
            missing: notes on rows whose recording is not there; the first recording carries them.

        Raises:
            UserError: when no interval of any recording is to be spotted.
        """
        out = [
            Recording(
                r.path, r.name, r.subject, r.fps,
                tuple(sorted(self._found.get(key, []), key=lambda i: (i.onset, i.offset))),
                tuple(self._notes.get(key, [])),
            )
            for key, r in self.recordings.items()
        ]  # fmt: skip
        notes = [*missing, *(note for r in out for note in r.notes)]
        if missing and out:
            out[0] = replace(out[0], notes=(*missing, *out[0].notes))
        if not any(r.targets for r in out):
            first = next(iter(notes), "")
            raise UserError(
                f"{root}: {len(out)} recordings, none with an interval of kind '{MICRO}'"
                + (f"; the first row left out: {first}" if first else "")
            )
        return out


def people(recordings: Iterable[Recording]) -> int:
    """Number of different subjects."""
    return len({r.subject for r in recordings})
