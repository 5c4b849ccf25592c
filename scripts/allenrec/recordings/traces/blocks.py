"""The traces of a recording, computed from its plan: any piece alone, or block by block by several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allenrec.common.buffers import ReusedRows, new_rows
from allenrec.common.finite import is_finite, require_finite
from allenrec.common.parallel import map_in_order

from ..tick_grid import split_ticks
from ..types import Rows
from .injection import Spikes, add_spikes, in_time_order
from .low_rank import UpsampledTemplate, stacked, waveforms_of

if TYPE_CHECKING:
    from ..plan import Plan

#: Number of samples of a block; with few channels, a block has a multiple of it
BLOCK = 2**15
#: Approximate number of values of a block with few channels
BLOCK_VALUES = 2**22

#: The smallest absolute value that traces of a unit keep, µV; others become zero. A filter's response dies away for a long
#: time. Its tails, far below the rounding of the recording, would fill most of a file and take most of the time to compress it.
NOTHING = 1e-6

#: Values that are converted to samples at once, few enough for the processor's cache
CONVERTED = 2**17

#: A function of a plan, `start`, `stop` and `rows`, which gives memory, that returns a piece of a recording, such as traces
#: (stop - start, n) float32 µV
Compute = Callable[["Plan", int, int, Rows], Any]


def block_length(plan: Plan) -> int:
    """Return the number of samples of the blocks in which traces are computed.

    With few channels blocks are longer, so that the margins of filters take a small share of the time.
    """
    return BLOCK * max(1, BLOCK_VALUES // (BLOCK * plan.n_channels))


def n_blocks(plan: Plan) -> int:
    """Return the number of blocks of a recording."""
    return -(-plan.n_samples // block_length(plan))


def blocks(plan: Plan, threads: int = 1, compute: Compute | None = None) -> Iterator[Any]:
    """Yield a recording in blocks of fixed length, in order.

    A block is overwritten when the next one is taken. Threads go on computing while a block is written, so that they are not
    idle while the writer waits for the disk.

    Parameters
    ----------
    plan : Plan
    threads : int
        Number of blocks that are computed at once; the traces do not depend on it.
    compute : callable, optional
        What is computed: `piece`, the default, `samples`, `spike_traces`, or `unit_traces` with a `unit`.

    Yields
    ------
    object
        What `compute` returns for each block.
    """
    length, compute = block_length(plan), compute or piece
    memory = [ReusedRows() for _ in range(threads + 1)]

    def block(number: int) -> Any:
        start = number * length
        return compute(plan, start, min(start + length, plan.n_samples), memory[number % len(memory)])

    return map_in_order(block, range(n_blocks(plan)), threads, at_once=len(memory))


def samples(plan: Plan, start: int, stop: int, rows: Rows = new_rows) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the samples of the recording from `start` to `stop`, (stop - start, n_channels) µV or counts, and how many of them
    were clipped on each channel, (n_channels,). See `piece` for the parameters."""
    if plan.background is not None:
        return plan.background.add_to(spikes_only(plan, start, stop, rows), start, rows)
    traces = piece(plan, start, stop, rows)
    if plan.adc.dtype.kind == "f":
        return plan.adc.convert(traces)
    found, clipped = rows(len(traces), plan.n_channels, plan.adc.dtype), np.zeros(plan.n_channels, dtype=np.int64)
    at_once = max(1, CONVERTED // max(plan.n_channels, 1))
    for first in range(0, len(traces), at_once):
        found[first : first + at_once], beyond = plan.adc.convert(traces[first : first + at_once])
        clipped += beyond
    return found, clipped


def piece(plan: Plan, start: int, stop: int, rows: Rows = new_rows) -> NDArray[np.float32]:
    """Return the recording from sample `start` to `stop`.

    The filter gets enough samples before and after the piece, also beyond the ends of the recording, where noise and parts of
    spikes continue. So there are no seams between pieces, and no transients at the ends.

    Parameters
    ----------
    plan : Plan
    start, stop : int
    rows : callable
        A function that returns memory for the traces, as `allenrec.common.buffers.new_rows` does.

    Returns
    -------
    numpy.ndarray
        (stop - start, n_channels) float32 µV.
    """
    first, last = _seen_by_filter(plan, start, stop)
    traces = plan.noise.draw(first, last, rows) if plan.noise else _zeros(last - first, plan.n_channels, rows)
    _add_units(traces, first, plan, range(len(plan.ticks)))
    return _filtered(traces, plan, start - first, stop - start)


def spikes_only(plan: Plan, start: int, stop: int, rows: Rows = new_rows) -> NDArray[np.float32]:
    """Return the sum of all spikes from sample `start` to `stop`, unfiltered, float32 (stop - start, n_channels) µV."""
    traces = _zeros(stop - start, plan.n_channels, rows)
    _add_units(traces, start, plan, range(len(plan.ticks)))
    return traces


def unit_traces(plan: Plan, start: int, stop: int, rows: Rows = new_rows, *, unit: int) -> NDArray[np.float32]:
    """Return the contribution of a unit to the recording from sample `start` to `stop`, float32 (stop - start, n_channels) µV.

    It is filtered as the recording is: the contributions of all units and the filtered noise add up to the recording, to
    rounding. See `piece` for the parameters.
    """
    first, last = _seen_by_filter(plan, start, stop)
    traces = _zeros(last - first, plan.n_channels, rows)
    _add_units(traces, first, plan, [unit])
    return _without_tails(_filtered(traces, plan, start - first, stop - start))


def spike_traces(plan: Plan, start: int, stop: int, rows: Rows = new_rows) -> NDArray[np.float32]:
    """Return the contribution of each unit to its peak channel, (stop - start, n_units) µV; see `unit_traces`."""
    first, last = _seen_by_filter(plan, start, stop)
    traces = rows(last - first, len(plan.ticks))
    for unit, channel in enumerate(plan.units["peak_channel"]):
        alone = _zeros(last - first, 1, new_rows)
        _add_units(alone, first, plan, [unit], [channel])
        traces[:, unit] = alone[:, 0]
    return _without_tails(_filtered(traces, plan, start - first, stop - start))


def spike_amplitudes(plan: Plan, unit: int, spikes: slice, gains: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the depth of spikes below zero, each alone and before the filter, at the peak channel of the unit.

    The channel stays the same wherever the unit drifts.

    Parameters
    ----------
    plan : Plan
    unit : int
    spikes : slice
        Spikes of the unit.
    gains : numpy.ndarray
        (n, 1 or n_channels) float32, gains of these spikes.

    Returns
    -------
    numpy.ndarray
        (n,) float32 µV.
    """
    channel = plan.units["peak_channel"][unit]
    gains = gains[:, channel if gains.shape[1] > 1 else 0]
    phases = split_ticks(plan.ticks[unit][spikes], plan.n_phases)[1]
    if not plan.unit_drift:
        templates = plan.upsampled
        of_phases = waveforms_of(templates.temporal[unit], templates.spatial[unit][..., [channel]])[..., 0]
        return -gains * of_phases.min(axis=1)[phases]
    waveforms = np.zeros((len(phases), plan.upsampled.n_t), dtype=np.float32)
    for template, shares in plan.unit_drift.templates(unit, spikes):
        mine = shares > 0
        of_step = waveforms_of(template.temporal, template.spatial[..., [channel]])[..., 0]
        waveforms[mine] += shares[mine, np.newaxis] * of_step[phases[mine]]
    return -gains * waveforms.min(axis=1)


def _zeros(n: int, n_channels: int, rows: Rows) -> NDArray[np.float32]:
    traces = rows(n, n_channels)
    traces[:] = 0
    return traces


def _seen_by_filter(plan: Plan, start: int, stop: int) -> tuple[int, int]:
    """Return the first sample, and the one after the last, that the filter needs for a piece from `start` to `stop`."""
    before, after = plan.filter.margins if plan.filter else (0, 0)
    return start - before, stop + after


def _filtered(traces: NDArray[np.float32], plan: Plan, begin: int, n: int) -> NDArray[np.float32]:
    """Return the `n` samples from row `begin` of traces, which are filtered in place, and which must be finite."""
    finite = plan.filter.apply_to_finite(traces) if plan.filter else is_finite(traces)
    if not finite:
        require_finite("traces", traces, "noise_level or the gains of spikes are too large, or the filter is not stable")
    return traces[begin : begin + n]


def _without_tails(traces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set what is smaller than `NOTHING` to zero, in place."""
    traces[np.abs(traces) < NOTHING] = 0
    return traces


def _add_units(
    traces: NDArray[np.float32], start: int, plan: Plan, units: Sequence[int], channels: Sequence[int] | None = None
) -> None:
    """Add the spikes of units to traces whose first row is sample `start`, on all channels or on some.

    A spike at the end of a segment does not go on in the next one.
    """
    if plan.segments is None:
        _add_spikes_of(traces, start, plan, units, channels, (0, plan.n_samples))
        return
    bounds = plan.segments.bounds.tolist()
    for segment, first, last in plan.segments.within(start, start + len(traces)):
        rows = traces[first - start : last - start]
        _add_spikes_of(rows, first, plan, units, channels, (bounds[segment], bounds[segment + 1]))


def _add_spikes_of(
    traces: NDArray[np.float32],
    start: int,
    plan: Plan,
    units: Sequence[int],
    channels: Sequence[int] | None,
    within: tuple[int, int],
) -> None:
    """Add the spikes of units to traces that lie in one segment, `within` its first sample and the one after its last."""
    spikes: list[Spikes] = []
    along_paths: list[UpsampledTemplate] = []
    for unit in units:
        near = _near(plan, unit, start, start + len(traces), within)
        samples, phases = split_ticks(plan.ticks[unit][near], plan.n_phases)
        gains, factors = plan.gains[unit][near], plan.widening_factors[unit]
        if channels is not None and gains.shape[1] > 1:
            gains = gains[:, channels]
        bends = plan.bends[unit]
        bend = np.zeros(len(samples)) if bends is None else bends[near]
        widening = np.ones(len(samples)) if factors is None or bends is not None else factors[near]
        of_unit = Spikes(samples, phases, gains, widening, bend, np.full(len(samples), unit))
        if not plan.unit_drift:
            spikes.append(of_unit)
            continue
        for template, shares in plan.unit_drift.templates(unit, near):
            mine = shares > 0
            of_step, gains_of_step = of_unit.of(mine), gains[mine] * shares[mine, np.newaxis]
            spikes.append(of_step._replace(gains=gains_of_step, which=np.full(mine.sum(), len(along_paths))))
            along_paths.append(template)
    if not any(len(some.samples) for some in spikes):
        return
    templates = stacked(along_paths) if plan.unit_drift else plan.upsampled
    if channels is not None:
        templates = templates.on(channels)
    add_spikes(traces, start, in_time_order(spikes), templates)


def _near(plan: Plan, unit: int, start: int, stop: int, within: tuple[int, int]) -> slice:
    """Return the spikes of a unit that reach the samples from `start` to `stop`, of those in the segment `within`."""
    factors = plan.widening_factors[unit]
    reach = 1 + plan.upsampled.n_t * (1 if factors is None else factors.max(initial=1))
    near = np.searchsorted(plan.ticks[unit], np.array([start - reach, stop + reach]) * plan.n_phases)
    # A spike halfway between two samples belongs to the later one, see `split_ticks`
    inside = np.searchsorted(plan.ticks[unit], np.array(within) * plan.n_phases - plan.n_phases // 2)
    return slice(max(near[0], inside[0]), min(near[1], inside[1]))
