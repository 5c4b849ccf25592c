"""The traces of a recording, computed from its plan: any piece alone, or block by block by several threads."""

import numpy as np

from allenrec.common.buffers import ReusedRows, new_rows
from allenrec.common.parallel import in_order

from .injection import add_spikes, split_ticks, stacked, waveforms_of

#: Pieces of the traces are computed in blocks of so many samples, or, of few channels, a multiple of it with about so many
#: values, whatever is written at once
BLOCK, BLOCK_VALUES = 2**15, 2**22


def block_length(plan):
    """Return the samples of the blocks in which traces are computed: of few channels more, so that margins weigh little."""
    return BLOCK * max(1, BLOCK_VALUES // (BLOCK * plan.n_channels))


def n_blocks(plan):
    """Return how many of them there are."""
    return -(-plan.n_samples // block_length(plan))


def piece(plan, start, stop, rows=new_rows):
    """Return the recording from sample `start` to `stop`, float32 (stop - start, n_channels) µV, in memory of `rows`.

    The filter sees enough of what comes before and after, also beyond the ends of the recording, where there is noise and
    the rest of spikes; so there are no seams between pieces and no transients at the ends.
    """
    first, last = _seen_by_filter(plan, start, stop)
    traces = plan.noise.draw(first, last, rows) if plan.noise else _silence(last - first, plan.n_channels, rows)
    _add_units(traces, first, plan, range(len(plan.ticks)))
    return _filtered(traces, plan, start - first, stop - start)


def spikes_only(plan, start, stop):
    """Return the sum of all placed spikes from sample `start` to `stop`, unfiltered, float32 (stop - start, n_channels) µV."""
    traces = _silence(stop - start, plan.n_channels, new_rows)
    _add_units(traces, start, plan, range(len(plan.ticks)))
    return traces


def unit_traces(plan, start, stop, rows=new_rows, *, unit):
    """Return what a unit adds to the recording from sample `start` to `stop`, float32 (stop - start, n_channels) µV, in memory
    of `rows`.

    As the filter leaves it: the sum over all units, and the noise as the filter leaves that, are the recording, to rounding.
    """
    first, last = _seen_by_filter(plan, start, stop)
    traces = _silence(last - first, plan.n_channels, rows)
    _add_units(traces, first, plan, [unit])
    return _filtered(traces, plan, start - first, stop - start)


def spike_traces(plan, start, stop, rows=new_rows):
    """Return what each unit adds to its loudest channel, (stop - start, n_units) µV: the columns of its `unit_traces`."""
    first, last = _seen_by_filter(plan, start, stop)
    traces = rows(last - first, len(plan.ticks))
    for unit, channel in enumerate(plan.units["peak_channel"]):
        alone = _silence(last - first, 1, new_rows)
        _add_units(alone, first, plan, [unit], [channel])
        traces[:, unit] = alone[:, 0]
    return _filtered(traces, plan, start - first, stop - start)


def spike_amplitudes(plan, unit, spikes, gains):
    """Return how deep the spikes of a unit are, a slice of them with its gains, (n,) float32 µV below zero: each alone, before
    the filter, at the loudest channel of the unit, wherever it has drifted."""
    channel = plan.units["peak_channel"][unit]
    gains = gains[:, channel if gains.shape[1] > 1 else 0]
    phases = split_ticks(plan.ticks[unit][spikes], plan.n_phases)[1]
    if not plan.moving:
        waveforms = waveforms_of(plan.placed.courses[unit], plan.placed.weights[unit][..., [channel]])[..., 0]
        return -gains * waveforms.min(axis=1)[phases]
    waveforms = np.zeros((len(phases), plan.placed.courses.shape[2]), dtype=np.float32)
    for template, shares in plan.moving.templates(unit, spikes):
        mine = shares > 0
        of_step = waveforms_of(template.courses, template.weights[..., [channel]])[..., 0]
        waveforms[mine] += shares[mine, np.newaxis] * of_step[phases[mine]]
    return -gains * waveforms.min(axis=1)


def _silence(n, n_channels, rows):
    traces = rows(n, n_channels)
    traces[:] = 0
    return traces


def _seen_by_filter(plan, start, stop):
    """The first sample, and the one after the last, of what is needed for a piece from `start` to `stop`."""
    before, after = plan.filter.margins if plan.filter else (0, 0)
    return start - before, stop + after


def _filtered(traces, plan, begin, n):
    """The `n` samples from row `begin` of traces, which are filtered in place."""
    if plan.filter:
        plan.filter.apply(traces)
    return traces[begin : begin + n]


def _add_units(traces, start, plan, units, channels=None):
    """Add the placed spikes of units to traces whose first row is sample `start`; to all channels, or to a list of some."""
    spikes, along = [], []
    for unit in units:
        near = _near(plan, unit, start, start + len(traces))
        samples, phases = split_ticks(plan.ticks[unit][near], plan.n_phases)
        gains, stretches = plan.gains[unit][near], plan.stretches[unit]
        if channels is not None and gains.shape[1] > 1:
            gains = gains[:, channels]
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
    if channels is not None:
        templates = templates.on(channels)
    add_spikes(traces, start, samples[order], *(values[order] for values in others), templates)


def _near(plan, unit, start, stop):
    """Which spikes of a unit reach the samples from `start` to `stop`: a slice."""
    stretches = plan.stretches[unit]
    reach = 1 + plan.placed.courses.shape[2] * (1 if stretches is None else stretches.max(initial=1))
    return slice(*np.searchsorted(plan.ticks[unit], np.array([start - reach, stop + reach]) * plan.n_phases))


def blocks(plan, threads=1, compute=piece):
    """Yield the recording in blocks of fixed length and place, in order, or what else `compute` makes of a plan from one
    sample to another; as many are computed at once as there are threads. A block is lost when the next one is asked for.

    All threads go on while a block is written, for who writes waits for the system now and then.
    """
    length = block_length(plan)
    memory = [ReusedRows() for _ in range(threads + 1)]

    def block(number):
        start = number * length
        return compute(plan, start, min(start + length, plan.n_samples), memory[number % len(memory)])

    return in_order(block, range(n_blocks(plan)), threads, at_once=len(memory))
