"""Backgrounds in files of NWB, as other programs write them."""

from datetime import UTC, datetime

import numpy as np
import pytest
import spikeinterface as si
from made_library import made_library
from pynwb import NWBHDF5IO, NWBFile
from pynwb.ecephys import ElectricalSeries
from spikeinterface.extractors import read_nwb_recording

from allenrec.common.errors import UserError
from allenrec.recordings.formats.mearec import write_mearec
from allenrec.recordings.formats.recording_file import read_recording
from allenrec.recordings.generated_recording import GeneratedRecording
from allenrec.recordings.plan import plan_recording
from allenrec.recordings.traces.background import open_background
from allenrec.recordings.traces.blocks import spikes_only
from allenrec.settings.libraries import Library
from allenrec.settings.recordings import Background, Recording

FS, N, N_CHANNELS = 30000.0, 3000, 8
COUNTS = np.random.default_rng(0).normal(scale=50, size=(N, N_CHANNELS)).astype(np.int16)
#: What the tests change: a series of 50 counts of 0.195 µV with a start and a rate
PLAIN = {"data": COUNTS, "rate": FS, "conversion": 0.195e-6, "starting_time": 12.5}
TIMES = 7 + np.arange(N) / FS


def stamped(stamps):
    """Return a series with a time stamp (n,) s for each sample."""
    return {"data": COUNTS, "timestamps": stamps, "conversion": 0.195e-6}


def write_nwb(path, **series):
    """Write series by their names, each with the fields of an `ElectricalSeries`; `channels` are rows of the electrodes."""
    file = NWBFile("session", "id", datetime(2020, 1, 1, tzinfo=UTC))
    group = file.create_electrode_group("group", "", "", file.create_device("device"))
    for k in range(N_CHANNELS):
        file.add_electrode(group=group, location="CA1", rel_x=0.0, rel_y=20.0 * k)
    for name, fields in series.items():
        values = dict(fields)
        rows = file.create_electrode_table_region(list(values.pop("channels", range(N_CHANNELS))), "")
        file.add_acquisition(ElectricalSeries(name=name, electrodes=rows, **values))
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    return str(path)


#: Changes of `PLAIN`, and what the background must have: `gains` and `offsets` µV, start s, samples, depths of contacts µm
SERIES = {
    "plain": (PLAIN, {}),
    "gains of channels": (PLAIN | {"channel_conversion": np.linspace(1, 2, 8)}, {"gains": 0.195 * np.linspace(1, 2, 8)}),
    "offset": (PLAIN | {"offset": 1e-5}, {"offsets": 10.0}),
    "unsigned": (
        PLAIN | {"data": (COUNTS.astype(int) + 32768).astype(np.uint16), "offset": -0.195e-6 * 32768},
        {"offsets": -0.195 * 32768, "samples": (COUNTS.astype(int) + 32768).astype(np.uint16)},
    ),
    "floats in V": (
        PLAIN | {"data": COUNTS * 1e-7, "conversion": 1.0},
        {"gains": 1e6, "samples": COUNTS * 1e-7},
    ),
    "other channels": (
        PLAIN | {"data": COUNTS[:, :4], "channels": [6, 4, 2, 0]},
        {"samples": COUNTS[:, :4], "depths": [120.0, 80.0, 40.0, 0.0]},
    ),
    "time stamps": (stamped(TIMES), {"start": 7.0}),
}


@pytest.mark.parametrize("name", SERIES)
def test_samples_gains_start_and_places_are_those_of_the_series(tmp_path, name):
    fields, expected = SERIES[name]
    background = open_background(Background(recording=write_nwb(tmp_path / "a.nwb", ElectricalSeries=fields)))
    counts = expected.get("samples", COUNTS)
    assert background.dtype == counts.dtype and np.array_equal(background.read(0, N), counts)
    np.testing.assert_allclose(background.gains, expected.get("gains", 0.195))
    np.testing.assert_allclose(background.offsets, expected.get("offsets", 0.0), atol=1e-9)
    np.testing.assert_allclose(background.fs, FS, rtol=1e-9)
    np.testing.assert_allclose(background.segments.t_starts, [expected.get("start", 12.5)])
    depths = background.recording.get_channel_locations()[:, 1]
    np.testing.assert_allclose(depths, expected.get("depths", 20.0 * np.arange(N_CHANNELS)))
    np.testing.assert_allclose(background.noise_levels, background.gains * np.std(counts, axis=0), rtol=0.2)


def test_a_hybrid_on_it_keeps_type_gains_offset_start_and_order_of_channels(tmp_path):
    """Unsigned counts with an offset, gains of channels, and channels in another order than the electrodes."""
    counts = (COUNTS.astype(int) + 32768).astype(np.uint16)
    fields = {"offset": -0.195e-6 * 32768, "channel_conversion": np.linspace(1, 2, 8), "channels": [6, 4, 2, 0, 7, 5, 3, 1]}
    path = write_nwb(tmp_path / "a.nwb", ElectricalSeries=PLAIN | fields | {"data": counts})
    library = made_library(tmp_path / "library.h5", Library.model_validate({"probe": {"recording": path}}).probe, 5000)
    settings = Recording.model_validate(
        {
            "library": "made",
            "background": {"recording": path},
            "spiketrains": {"n_exc": 3, "n_inh": 1, "f_exc": 60.0},
            "templates": {"min_dist": 1.0, "max_amp": 1e4},
        }
    )
    plan = plan_recording(library, settings, seed=0, name="mixed")
    write_mearec(tmp_path / "r.h5", GeneratedRecording(plan, library, settings, {"config": {"recording": "mixed"}}))
    with read_recording(tmp_path / "r.h5") as written:
        after, _ = written.to_spikeinterface()
        found = after.get_traces()
    before = read_nwb_recording(path)
    added = spikes_only(plan, 0, N) / before.get_channel_gains()
    assert np.abs(added).max() > 50
    assert found.dtype == np.uint16 and np.abs(found.astype(float) - counts - added).max() <= 0.501
    assert after.get_start_time() == before.get_start_time() == 12.5 and after.sampling_frequency == FS
    np.testing.assert_allclose(after.get_channel_gains(), before.get_channel_gains(), rtol=1e-6)
    np.testing.assert_allclose(after.get_channel_offsets(), before.get_channel_offsets(), rtol=1e-6)
    places = [each.get_channel_locations() - each.get_channel_locations().mean(axis=0) for each in (after, before)]
    np.testing.assert_allclose(*places, atol=1e-3)


def test_a_series_is_named_by_its_path_without_an_extractor(tmp_path):
    path = write_nwb(tmp_path / "a.nwb", A=PLAIN, B=PLAIN | {"data": COUNTS[:2000]})
    named = Background(recording=path, arguments={"electrical_series_path": "acquisition/B"})
    assert open_background(named).n_samples == 2000
    with pytest.raises(UserError, match=r"specify the 'electrical_series_path' .*'acquisition/A', 'acquisition/B'"):
        open_background(Background(recording=path))


#: Time stamps that a segment cannot have, and what the message must say
UNEVEN = {
    r"a.nwb, segment 0: 2 s between the time stamps of samples 1499 and 1500; .* cut the recording there": (
        TIMES + (2 - 1 / FS) * (np.arange(N) >= 1500)
    ),
    # Stamps in whole µs: the median of their differences is 33 µs.
    r"finds 30303.03 Hz from its first time stamps, but on the whole they have 30000 Hz": np.round(TIMES, 6),
}


@pytest.mark.parametrize("message", UNEVEN)
def test_time_stamps_with_gaps_or_of_another_rate_are_one_line(tmp_path, message):
    path = write_nwb(tmp_path / "a.nwb", ElectricalSeries=stamped(UNEVEN[message]))
    with pytest.raises(UserError, match=message) as error:
        open_background(Background(recording=path))
    assert "\n" not in str(error.value)


def test_times_that_spikeinterface_saved_must_have_no_gaps_either(tmp_path):
    recording = si.NumpyRecording([COUNTS], FS)
    recording.set_channel_gains(0.195)
    recording.set_channel_offsets(0.0)
    for name, times in {"even": TIMES, "gap": TIMES + (np.arange(N) >= 10)}.items():
        recording.set_times(times, 0)
        recording.save(folder=tmp_path / name)
    assert open_background(Background(recording=str(tmp_path / "even"))).segments.t_starts.tolist() == [7.0]
    with pytest.raises(UserError, match="1 s between the time stamps of samples 9 and 10"):
        open_background(Background(recording=str(tmp_path / "gap")))


@pytest.mark.parametrize(
    "fields", [{"conversion": 1.0}, {"data": COUNTS * 1e-6, "conversion": 1e-6}], ids=["counts", "V as µV"]
)
def test_gains_that_are_missing_or_wrong_are_one_line(tmp_path, fields):
    """Units on such a recording would be rounded to nothing, or be its only content."""
    path = write_nwb(tmp_path / "a.nwb", ElectricalSeries=PLAIN | fields)
    with pytest.raises(UserError, match=r"its noise would be .* µV.* write background.gain_to_uV") as error:
        _ = open_background(Background(recording=path)).noise_levels
    assert "\n" not in str(error.value)
    given = Background(recording=path, gain_to_uV=0.195 if "data" not in fields else 1e6)
    assert 5 < open_background(given).noise_levels.mean() < 100
