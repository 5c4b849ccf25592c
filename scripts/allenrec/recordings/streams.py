"""The random streams of a recording, one for each part. Nothing else knows which recordings share random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from allenrec.common.random_streams import StreamKey
    from allenrec.settings.recordings import Recording
    from allenrec.settings.recordings.streams import Part


@dataclass(frozen=True)
class Streams:
    """The random stream of each part of a recording.

    Attributes
    ----------
    units : tuple
        The choice of templates.
    spikes : tuple
        Rates, spike times and synchrony.
    gains : tuple
        Gains of spikes, and which units burst.
    noise : tuple
        The noise, with its far neurons.
    drift : tuple
        Movements, and which units drift.
    """

    units: StreamKey
    spikes: StreamKey
    gains: StreamKey
    noise: StreamKey
    drift: StreamKey


def streams_of(settings: Recording, *, seed: int, name: str) -> Streams:
    """Return the random streams of a recording.

    By default, they depend on the seed of the configuration and on the name of the recording. `stream.recording` names another
    recording instead, a seed of a part replaces both, and replicates have streams of their own in the parts that vary.

    Parameters
    ----------
    settings : allenrec.settings.recordings.Recording
    seed : int
        The seed of the configuration.
    name : str
        Name of the recording.
    """
    seeds, stream = settings.seeds, settings.stream

    def key(part: Part) -> StreamKey:
        own: int | None = getattr(seeds, part)
        origin: StreamKey = (seed, "recording", stream.recording or name) if own is None else (own, "recording part")
        return origin if stream.replicate is None or part not in stream.vary else (*origin, "replicate", stream.replicate)

    return Streams(units=key("units"), spikes=key("spikes"), gains=key("gains"), noise=key("noise"), drift=key("drift"))
