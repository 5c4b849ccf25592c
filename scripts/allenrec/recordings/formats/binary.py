"""A folder of SpikeInterface with the traces as they are, one sample of all channels after the other."""

import warnings

from allenrec.common.files import folder_built_beside

from .spikeinterface_adapter import PIECES, as_recording, as_sorting


def write_binary(folder, recording):
    """Write a recording as a folder that `spikeinterface.load` opens, and in it, in `sorting/`, the ground truth.

    Parameters
    ----------
    folder : path
    recording : allenrec.recordings.formats.recording_file.Recording
    """
    with folder_built_beside(folder) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The extractor is not serializable")
        as_recording(recording).save(format="binary", folder=temporary, overwrite=True, **PIECES)
        as_sorting(recording).save(format="numpy_folder", folder=temporary / "sorting")
