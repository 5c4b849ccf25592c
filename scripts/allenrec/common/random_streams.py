"""Random numbers that depend only on the seed and on what they are for, so that the order of execution does not matter."""

import hashlib
import json

import numpy as np

#: The seed, and the names of what the random numbers are for, from the general to the particular
StreamKey = tuple[int, *tuple[str | int, ...]]


def generator(
    seed: int, *stream_key: str | int, bit_generator: type[np.random.BitGenerator] = np.random.Philox
) -> np.random.Generator:
    """Return the random generator of one stream.

    Parameters
    ----------
    seed : int
        The seed of the configuration.
    *stream_key : str or int
        The name of the stream: what the numbers are for, from the general to the particular: stage, model or recording, index.
    bit_generator : type of numpy.random.BitGenerator
        The algorithm. `SFC64` gives normal numbers a third faster than the default, which matters for billions of numbers.

    Returns
    -------
    numpy.random.Generator
        The same generator for the same seed and key, on any machine; it is independent of those of all other keys.
    """
    digest = hashlib.sha256(json.dumps([seed, *stream_key]).encode()).digest()
    return np.random.Generator(bit_generator(np.random.SeedSequence(np.frombuffer(digest, dtype="<u4"))))
