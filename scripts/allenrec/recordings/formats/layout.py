"""Names of the groups, datasets and attributes of a recording file. `mearec` writes them and `recording_file` reads them.

They are MEArec's, and ours where the comment says so. Groups of units are numbered from 0.
"""

MEAREC_VERSION = "mearec_version"

#: Settings and other facts, as MEArec's readers look for them
INFO = "info"
INFO_RECORDINGS = "info/recordings"
SAMPLING_FREQUENCY = "info/recordings/fs"
FILTERED = "info/recordings/filter"
PLANE = "info/electrodes/plane"
UPSAMPLE = "info/templates/upsample"

#: Traces (n_samples, n_channels), with the attribute `GAIN`, µV per count
TRACES = "recordings"
GAIN = "gain_to_uV"
SPIKE_TRACES = "spike_traces"
#: Ours: a dataset (n_samples, n_channels) for each unit
UNIT_TRACES = "unit_traces"
#: Ours: (n_channels,)
CLIPPED_SAMPLES = "clipped_samples"

#: Ours, of a recording on a background: µV of the count 0, one value or (n_channels,); samples of each segment and time of its
#: first one, s, (n_segments,); standard deviation of the background, (n_channels,) µV; and a dataset with the samples of the
#: spikes of each known unit, with the attribute `name`
OFFSETS = "background/offset_to_uV"
SEGMENT_LENGTHS = "background/segments/n_samples"
SEGMENT_STARTS = "background/segments/t_start"
NOISE_LEVELS = "background/noise_levels"
KNOWN_UNITS = "background/known_units"

CHANNEL_POSITIONS = "channel_positions"
#: Ours: contacts as JSON of probeinterface, and what the recording was made from, as JSON in attributes
PROBE = "probe"
PROVENANCE = "provenance"

#: Templates at their phase 0, before the filter, with the attribute `PEAK`, the sample of the spike
TEMPLATES = "templates"
PEAK = "peak"
#: Ours: the same after the filter, and as they are in the library
FILTERED_TEMPLATES = "filtered_templates"
ORIGINAL_TEMPLATES = "original_templates"
TEMPLATE_LOCATIONS = "template_locations"
TEMPLATE_ROTATIONS = "template_rotations"
TEMPLATE_CELL_TYPES = "template_celltypes"
VOLTAGE_PEAKS = "voltage_peaks"
#: Ours: rows of the library, and tables with a row per unit and per pair of overlapping units
TEMPLATE_IDS = "template_ids"
UNITS = "units"
OVERLAP_PAIRS = "overlap_pairs"

#: Ours: the displacement of every unit at every time
DRIFT = "drift"
DRIFT_TIMES = "drift/times"
DRIFT_DISPLACEMENTS = "drift/displacements"
DRIFT_LIST = "drift_list"

#: A group for each unit, with the following in it
SPIKE_TRAINS = "spiketrains"
TIMES = "times"
T_STOP = "t_stop"
ANNOTATIONS = "annotations"
WAVEFORMS = "waveforms"
#: Ours
SAMPLES = "samples"
SPIKE_GAINS = "gains"
AMPLITUDES = "amplitudes"
BURSTS = "bursts"
WIDENING_FACTORS = "stretches"
DISPLACEMENTS = "displacements"


def of_train(unit: int, name: str) -> str:
    """Return the path of a dataset of a unit's spike train."""
    return f"{SPIKE_TRAINS}/{unit}/{name}"
