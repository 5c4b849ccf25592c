"""The readers of the formats of recordings that people use. What a new format is read with here, tests of all formats use."""

import spikeinterface
from spikeinterface.extractors import read_mearec, read_nwb_recording, read_nwb_sorting


def read_nwb(path):
    """Return the recording and the units of a file of NWB."""
    return read_nwb_recording(path), read_nwb_sorting(path, electrical_series_path="acquisition/ElectricalSeries")


#: Functions from a file or folder to its recording and its sorting, by the path of the format
READERS = {
    "recording.h5": read_mearec,
    "recording.nwb": read_nwb,
    "binary": lambda path: (spikeinterface.load(path), spikeinterface.load(path / "sorting")),
    "recording.zarr": lambda path: (spikeinterface.load(path), spikeinterface.load(path / "sorting.zarr")),
}
