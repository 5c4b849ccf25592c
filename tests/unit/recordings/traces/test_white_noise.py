"""White noise against statistics, and its functions against NumPy's. Bounds are five standard errors."""

import numpy as np
from scipy import stats
from unit.recordings.traces.examples import FS

from allenrec.common.random_streams import generator
from allenrec.recordings.traces.white_noise import BLOCK, _log, _sine_and_cosine, white_noise


def test_white_noise_is_normal_far_out_and_in_pairs():
    """As many numbers lie beyond limits as expected, and the two numbers of one draw, half a block apart, are independent."""
    drawn = white_noise((3, "n"), 0, 8192 * BLOCK, np.ones(2, dtype=np.float32))
    for limit in (3, 4, 4.5, 5):
        expected = drawn.size * stats.norm.sf(limit)
        for found in (np.sum(drawn > limit), np.sum(drawn < -limit)):
            assert abs(found - expected) < 5 * np.sqrt(expected)
    first, second = drawn.reshape(-1, 2, BLOCK // 2, 2).swapaxes(0, 1).reshape(2, -1).astype(float)
    for one, other in ((first, second), (first**2 - 1, second**2 - 1), (first**2 - 1, second), (first**3, second)):
        assert abs(np.mean(one * other)) < 5 * one.std() * other.std() / np.sqrt(len(one))


def test_random_bits_of_a_channel_are_those_of_numpy():
    """NumPy's generator, begun at the state of a channel, gives the same numbers by NumPy's functions."""
    drawn = white_noise((3, "n"), 5 * BLOCK, 6 * BLOCK, np.ones(3, dtype=np.float32))
    states = generator(3, "n", 5, bit_generator=np.random.SFC64).bit_generator.random_raw((3, 3))
    for channel in range(3):
        source = np.random.SFC64()
        source.state = source.state | {"state": {"state": np.array([*states[:, channel], 1], dtype=np.uint64)}}
        bits = source.random_raw(BLOCK // 2)
        radius = np.sqrt(-2 * np.log(((bits >> 32) + 0.5) / 2**32))
        angle = np.pi / 4 + np.pi / 4 * ((bits << 2) & 0xFFFFFFFF).astype(np.uint32).view(np.int32) / 2**31
        signs = [1 - 2.0 * (bits >> bit & 1) for bit in (31, 30)]
        expected = np.concatenate([radius * signs[0] * np.sin(angle), radius * signs[1] * np.cos(angle)])
        np.testing.assert_allclose(drawn[:, channel], expected, atol=1e-5)


def test_functions_of_white_noise_are_those_of_numpy():
    shares = np.geomspace(1e-10, 1, 2000, dtype=np.float32)
    logarithms = [_log(share) for share in shares]
    np.testing.assert_allclose(logarithms, np.log(shares.astype(float)), rtol=2e-7, atol=1e-7)
    angles = np.linspace(-np.pi / 4, np.pi / 4, 2001, dtype=np.float32)
    found = np.array([_sine_and_cosine(angle) for angle in angles])
    np.testing.assert_allclose(found, np.transpose([np.sin(angles), np.cos(angles)]), atol=2e-7)


def test_no_block_of_noise_comes_twice_in_an_hour():
    """The first numbers of each block are compared. (MEArec draws chunks from a thousand seeds.)"""
    one = np.ones(1, dtype=np.float32)
    starts = range(0, int(3600 * FS), BLOCK)
    assert len({white_noise((0, "n"), start, start + 8, one).tobytes() for start in starts}) == len(starts) > 50000
