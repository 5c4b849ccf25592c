"""Plain samples: they are read in pieces that fit the chunks of the recording."""

import h5py
import numpy as np
import pytest

from allenrec.recordings.formats.plain_samples import pieces_of, write_rows


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A dataset of 1050 samples on 3 channels, in chunks of 100."""
    values = np.random.default_rng(0).integers(-1000, 1000, (1050, 3)).astype(np.int16)
    with h5py.File(tmp_path_factory.mktemp("samples") / "a.h5", "w") as file:
        yield file.create_dataset("samples", data=values, chunks=(100, 3))


@pytest.mark.parametrize("first, last", [(0, 1050), (0, 100), (100, 300), (30, 70), (30, 100), (199, 201), (950, 1050), (5, 5)])
def test_pieces_are_all_samples_and_no_chunk_is_in_two_without_need(first, last, samples, tmp_path):
    pieces = pieces_of(samples, first, last)
    assert [sample for piece in pieces for sample in range(*piece)] == list(range(first, last))
    assert all(stop % 100 == 0 for _, stop in pieces[:-1]) and all(stop - start <= 100 for start, stop in pieces)
    with open(tmp_path / "a.raw", "wb") as file:
        write_rows(file, samples, pieces)
    assert (tmp_path / "a.raw").read_bytes() == samples[first:last].tobytes()
