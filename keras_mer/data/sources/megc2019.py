"""Composite dataset of MEGC 2019 (See et al., FG 2019): CASME II, SMIC (HS), SAMM; three classes.

442 clips of 68 people: 250 negative, 109 positive, 83 surprise. CASME II contributes 145, without
fear, sadness, others and the two clips below; SMIC all its 164; SAMM 133, without other.
"""

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

from keras_mer import labels
from keras_mer.data import sources
from keras_mer.data.manifest import Manifest, Sample
from keras_mer.errors import UserError

HELP = (
    "put CASME II, SMIC and SAMM (see their own sources) into the folders casme2/, smic/ and "
    "samm/ of one folder, e.g. data/megc2019, or name where each lies"
)

#: Clips and people of each dataset in the published list.
PUBLISHED = {"casme2": (145, 24), "smic": (164, 16), "samm": (133, 28)}
#: Clips of the three classes that are not in the published list, and why.
EXCLUDED = {
    (
        "casme2",
        "casme2:sub04",
        "casme2:EP12_01f",
    ): "not in MEGC 2019's list (its apex is not coded)",
    (
        "casme2",
        "casme2:sub05",
        "casme2:EP09_05f",
    ): "not in MEGC 2019's list (its apex is its onset)",
}

_log = logging.getLogger(__name__)


def load(
    path: Path, *, casme2: str = "", smic: str = "", samm: str = "", frames: str = "auto"
) -> Manifest:
    """Load the composite; a missing dataset is omitted with a warning.

    Args:
        path: the folder of the three datasets.
        casme2, smic, samm: their folders, if not named after them.
        frames: ``cropped``, ``raw`` or ``auto``.

    Rows whose onset, apex and offset contradict each other are kept, as in the published list,
    without the contradicting numbers.

    Raises:
        UserError: when none of the three is found.
    """
    places = {"casme2": casme2, "smic": smic, "samm": samm}
    found, missing = [], []
    for name, place in places.items():
        folder = Path(place) if place else path / name
        if place or folder.is_dir():
            found.append(sources.load(name, folder, frames=frames, doubtful="keep"))
        else:
            missing.append(name)
    if not found:
        raise UserError(f"{path}: no casme2/, smic/ or samm/ here; {HELP}")
    if missing:
        _log.warning("megc2019: without %s, which is not in %s", " and ".join(missing), path)
    # a single dataset gets the prefixes as well, so that subjects have the same names
    named = [m.replace(map(sources.with_prefixes, m)) for m in found]
    merged = sources.merge(named, labels.VOCABULARIES["megc3"])
    chosen = merged.replace(map(_exclude, merged))
    _check_counts(chosen)
    return chosen


def _exclude(sample: Sample) -> Sample:
    why = EXCLUDED.get((sample.source, sample.subject, sample.clip))
    return replace(sample, split="dropped", note=why) if why else sample


def _check_counts(manifest: Manifest) -> None:
    kept = [s for s in manifest if s.split != "dropped"]
    clips = Counter(s.source for s in kept)
    for name in clips:
        people = len({s.subject for s in kept if s.source == name})
        if (clips[name], people) != PUBLISHED[name]:
            _log.warning(
                "megc2019: %s has %d clips of %d people here, %d of %d in the published list",
                name, clips[name], people, *PUBLISHED[name],
            )  # fmt: skip
