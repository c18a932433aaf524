"""Parsing and checks of annotated frame numbers."""

from collections.abc import Sequence

_UNKNOWN = {"", "/", "\\", "-", "nan", "none", "n/a"}


def parse_number(text: str, name: str, errors: list) -> int | None:
    """Parse a frame number; None for an empty cell, or with an error added for other text."""
    if text.lower() in _UNKNOWN:
        return None
    try:
        value = float(text)
        if value == int(value) >= 0:
            return int(value)
    except (ValueError, OverflowError):
        pass
    errors.append(f"{name} '{text}' is not a frame number")
    return None


def check_order(onset: int | None, apex: int | None, offset: int | None) -> str:
    """Contradiction to onset <= apex <= offset among the known numbers, or ``""``."""
    if onset is not None and offset is not None and offset <= onset:
        return f"offset {offset} is not after onset {onset}"
    early = onset is not None and apex is not None and apex < onset
    late = offset is not None and apex is not None and apex > offset
    if early or late:
        low, high = ("?" if t is None else t for t in (onset, offset))
        return f"apex {apex} is outside onset..offset, {low}..{high}"
    return ""


def check_frames(numbers: Sequence[int], times: dict, errors: list, warnings: list) -> None:
    """Check a clip's frame numbers: append to `errors` (unusable) and `warnings` (incomplete)."""
    if not numbers:
        errors.append("no numbered frames in its folder")
        return
    if len(numbers) == 1:
        errors.append("a clip of one frame")
        return
    first, last = numbers[0], numbers[-1]
    low = first if times["onset"] is None else times["onset"]
    high = last if times["offset"] is None else times["offset"]
    inside = [n for n in numbers if low <= n <= high]
    if len(inside) < 2:
        errors.append(
            f"{len(inside)} of the frames {low}..{high} is there; its folder has {first}..{last}"
        )
    elif times["apex"] is not None and not inside[0] <= times["apex"] <= inside[-1]:
        errors.append(f"no frame for the apex {times['apex']}; its folder has {first}..{last}")
    elif (gone := high - low + 1 - len(inside)) > 0:
        warnings.append(f"{gone} of the frames {low}..{high} missing in its folder")
