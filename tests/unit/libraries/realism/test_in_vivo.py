"""The register of what is measured in living animals: every figure has a source with a DOI, and verdicts use what they may."""

import re
from dataclasses import replace

import pytest

from allenrec.libraries.realism.in_vivo import read_in_vivo

REGISTER = read_in_vivo()


@pytest.mark.parametrize("source", REGISTER.sources.values(), ids=REGISTER.sources)
def test_source_says_what_it_is_and_what_was_read(source):
    assert re.fullmatch(r"10\.\d{4,}/\S+", source.doi)
    assert all((source.text, source.method, source.filter, source.read))


def test_figures_are_in_order_and_have_sources():
    for entry in REGISTER.ranges:
        assert entry.source in REGISTER.sources and entry.lowest <= entry.median <= entry.highest, entry
        assert entry.n is None or entry.n >= 10 or not entry.used, entry
    for share in REGISTER.narrow_shares:
        assert share.source in REGISTER.sources and 0 <= share.share <= 1, share


def test_ranges_agree_with_the_boundaries_between_fast_and_regular():
    fast, regular = (REGISTER.span(kind, "trough_to_peak_ms") for kind in ("fast spiking", "regular spiking"))
    assert fast[1] <= REGISTER.fast_up_to_ms < REGISTER.regular_above_ms <= regular[0]
    # The optotagged cells say the same as the boundary: most Pvalb cells are narrow, most Vip cells are not
    shares = {share.type: share.share for share in REGISTER.narrow_shares}
    assert shares["Pvalb"] > shares["Sst"] > shares["Vip"]


def test_span_joins_the_entries_that_are_used():
    entry = next(entry for entry in REGISTER.ranges if entry.feature == "half_width_ms")
    entries = (
        replace(entry, type="one", lowest=1.0, highest=2.0),
        replace(entry, type="one", lowest=1.5, highest=3.0),
        replace(entry, type="one", lowest=0.0, highest=9.0, used=False),
        replace(entry, type="two", lowest=0.0, highest=9.0, used=False),
    )
    register = replace(REGISTER, ranges=entries)
    assert register.span("one", "half_width_ms") == (1.0, 3.0)
    assert register.span("two", "half_width_ms") is None and register.span("one", "spread_um") is None
