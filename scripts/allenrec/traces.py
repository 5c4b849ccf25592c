"""The traces of a recording, computed from its plan: any piece alone, or block by block by several threads."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .placement import add_spikes, split_ticks, stacked

#: Pieces of the traces are computed in blocks of so many samples, or, of few channels, a multiple of it with about so many
#: values, whatever is written at once
BLOCK, BLOCK_VALUES = 2**15, 2**22


def block_length(plan):
    """Return the samples of the blocks in which traces are computed: of few channels more, so that margins weigh little."""
    return BLOCK * max(1, BLOCK_VALUES // (BLOCK * plan.n_channels))


def spikes_only(plan, start, stop):
    """Return the sum of all placed spikes from sample `start` to `stop`, float32 (stop - start, n_channels) µV."""
    traces = np.zeros((stop - start, plan.n_channels), dtype=np.float32)
    _add_units(traces, start, plan)
    return traces


def _add_units(traces, start, plan):
    """Add all placed spikes to traces whose first row is sample `start`."""
    spikes, along = [], []
    for unit, ticks in enumerate(plan.ticks):
        near = _near(plan, unit, start, start + len(traces))
        samples, phases = split_ticks(ticks[near], plan.n_phases)
        gains, stretches = plan.gains[unit][near], plan.stretches[unit]
        stretches = np.ones(len(samples)) if stretches is None else stretches[near]
        if not plan.moving:
            spikes.append((samples, phases, gains, stretches, np.full(len(samples), unit)))
            continue
        for template, shares in plan.moving.templates(unit, near):
            mine = shares > 0
            gains_of_step = gains[mine] * shares[mine, np.newaxis]
            spikes.append((samples[mine], phases[mine], gains_of_step, stretches[mine], np.full(mine.sum(), len(along))))
            along.append(template)
    samples, *others = map(np.concatenate, zip(*spikes, strict=True)) if spikes else [np.zeros(0)]
    if not len(samples):
        return
    order = np.argsort(samples, kind="stable")
    templates = stacked(along) if plan.moving else plan.placed
    add_spikes(traces, start, samples[order], *(values[order] for values in others), templates)


def _near(plan, unit, start, stop):
    """Which spikes of a unit reach the samples from `start` to `stop`: a slice."""
    stretches = plan.stretches[unit]
    reach = 1 + plan.placed.courses.shape[2] * (1 if stretches is None else stretches.max(initial=1))
    return slice(*np.searchsorted(plan.ticks[unit], np.array([start - reach, stop + reach]) * plan.n_phases))


def piece(plan, start, stop):
    """Return the recording from sample `start` to `stop`, float32 (stop - start, n_channels) µV.

    The filter sees enough of what comes before and after, also beyond the ends of the recording, where there is noise and
    the rest of spikes; so there are no seams between pieces and no transients at the ends.
    """
    before, after = plan.filter.margins if plan.filter else (0, 0)
    first, last = start - before, stop + after
    traces = plan.noise.draw(first, last) if plan.noise else np.zeros((last - first, plan.n_channels), dtype=np.float32)
    _add_units(traces, first, plan)
    if plan.filter:
        plan.filter.apply(traces)
    return traces[before : before + stop - start]


def blocks(plan, threads=1):
    """Yield the recording in blocks of fixed length and place, in order; as many are computed at once as there are threads.

    While a block is written, its thread rests: no more cores are busy than were asked for.
    """
    length = block_length(plan)
    pool = ThreadPoolExecutor(threads)
    held = deque()
    try:
        for start in range(0, plan.n_samples, length):
            held.append(pool.submit(piece, plan, start, min(start + length, plan.n_samples)))
            if len(held) == threads:
                yield held.popleft().result()
        while held:
            yield held.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
