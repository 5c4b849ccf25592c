"""What is measured in living animals: the register `in_vivo.yaml`, which names the source of each figure."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from allenrec.settings.recordings import Filter

#: The register; it lies beside this module
REGISTER = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True)
class Source:
    """A source of figures: what it is, its DOI, how and after which filter was measured, and which text was read."""

    text: str
    doi: str
    method: str
    filter: str
    read: str


@dataclass(frozen=True)
class Range:
    """The measured range of a feature in `n` units of a type: `lowest`, `median` and `highest`.

    `source` is a key of `InVivo.sources`. If `used` is false, no cell is judged by it.
    """

    type: str
    feature: str
    n: int | None
    lowest: float
    median: float
    highest: float
    source: str
    used: bool
    note: str


@dataclass(frozen=True)
class NarrowShare:
    """The share of units of a type whose trough to peak is below 0.4 ms."""

    type: str
    n: int
    share: float
    source: str


@dataclass(frozen=True)
class InVivo:
    """The register.

    Waveforms are fast up to `fast_up_to_ms` from trough to peak, and regular above `regular_above_ms`. `filter` is that behind
    which the ranges were measured.
    """

    sources: dict[str, Source]
    filter: Filter
    fast_up_to_ms: float
    regular_above_ms: float
    ranges: tuple[Range, ...]
    narrow_shares: tuple[NarrowShare, ...]
    unverified: tuple[str, ...]

    def span(self, kind: str, feature: str) -> tuple[float, float] | None:
        """Return the lowest and the highest value of a feature in a type that verdicts use; None if there is none."""
        found = [entry for entry in self.ranges if entry.used and (entry.type, entry.feature) == (kind, feature)]
        return (min(entry.lowest for entry in found), max(entry.highest for entry in found)) if found else None


@cache
def read_in_vivo() -> InVivo:
    """Return the register."""
    content = yaml.safe_load(REGISTER.read_text(encoding="utf-8"))
    return InVivo(
        sources={name: Source(**source) for name, source in content["sources"].items()},
        filter=Filter(**content["filter"]),
        fast_up_to_ms=content["boundaries"]["fast_up_to_ms"],
        regular_above_ms=content["boundaries"]["regular_above_ms"],
        ranges=tuple(Range(**entry) for entry in content["ranges"]),
        narrow_shares=tuple(NarrowShare(**entry) for entry in content["narrow_shares"]),
        unverified=tuple(content["unverified"]),
    )
