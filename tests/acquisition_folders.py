"""Small folders as SpikeGLX and Open Ephys write them, of samples that a test chooses."""

import json

import numpy as np

FS = 30000.0
#: Gains of Neuropixels 1.0 (AP) and of Intan's chips, µV for one count
NEUROPIXELS_GAIN, INTAN_GAIN = 0.6e6 / 512 / 500, 0.195
#: Name of the folder of the stream of an acquisition board, and that of a Neuropixels probe
BOARD, PROBE_STREAM = "Acquisition_Board-100.acquisition_board", "Neuropix-PXI-100.ProbeA-AP"


def write_spikeglx(folder, samples, first_sample=0, trigger=0, gate=0, stream="ap", probe=0, **changes):
    """Write one stream of a run: `samples` (n, n_channels) int16 of the first channels of a Neuropixels 1.0, and its sync
    channel. Return the `.bin`; `changes` are fields of the `.meta`, or None for fields that it lacks."""
    n_channels = samples.shape[1]
    place = folder / f"run_g{gate}" / f"run_g{gate}_imec{probe}"
    place.mkdir(parents=True, exist_ok=True)
    binary = place / f"run_g{gate}_t{trigger}.imec{probe}.{stream}.bin"
    np.column_stack([samples, np.full(len(samples), 64)]).astype(np.int16).tofile(binary)
    saved = f"0:{n_channels - 1},768" if stream == "ap" else f"384:{383 + n_channels},768"
    fields = {
        "appVersion": "20230411",
        "fileName": f"D:/data/run_g{gate}/{place.name}/{binary.name}",
        "fileSizeBytes": binary.stat().st_size,
        "fileTimeSecs": len(samples) / FS,
        "firstSample": first_sample,
        "imAiRangeMax": 0.6,
        "imAiRangeMin": -0.6,
        "imDatPrb_pn": "NP1000",
        "imDatPrb_sn": "18005116102",
        "imDatPrb_port": 1,
        "imDatPrb_slot": 2,
        "imDatPrb_type": 0,
        "imMaxInt": 512,
        "imSampRate": FS if stream == "ap" else 2500,
        "nSavedChans": n_channels + 1,
        "snsApLfSy": f"{n_channels},0,1" if stream == "ap" else f"0,{n_channels},1",
        "snsSaveChanSubset": saved,
        "typeThis": "imec",
        "~imroTbl": "(0,384)" + "".join(f"({channel} 0 0 500 250 1)" for channel in range(384)),
        "~snsChanMap": "(384,384,1)"
        + "".join(f"({stream.upper()}{channel};{channel}:{channel})" for channel in range(n_channels))
        + "(SY0;768:384)",
    } | changes
    lines = [f"{key}={value}\n" for key, value in fields.items() if value is not None]
    binary.with_suffix(".meta").write_text("".join(lines))
    return binary


def four_shanks():
    """Return the fields of the `.meta` of a Neuropixels 2.0 with 96 channels on each of its four shanks."""
    return {
        "imAiRangeMax": 0.5,
        "imAiRangeMin": -0.5,
        "imChan0apGain": 80,
        "imDatPrb_pn": "NP2014",
        "imDatPrb_type": 24,
        "imMaxInt": 8192,
        "snsApLfSy": "384,0,1",
        "snsSaveChanSubset": "0:384",
        "~imroTbl": "(24,384)" + "".join(f"({k} {k // 96} 0 0 {k % 96})" for k in range(384)),
        "~snsChanMap": "(384,0,1)" + "".join(f"(AP{k};{k}:{k})" for k in range(384)) + "(SY0;384:384)",
    }


def write_open_ephys(folder, samples, first_sample=0, recording=1, experiment=1, stream=BOARD, adc=0, node=101):
    """Write one recording of a record node in the binary format of version 0.6: `samples` (n, n_channels) int16 and, for a
    board, channels of its converter. Return the `continuous.dat`."""
    n, n_channels = samples.shape
    place = folder / f"Record Node {node}" / f"experiment{experiment}" / f"recording{recording}"
    data = place / "continuous" / stream
    data.mkdir(parents=True, exist_ok=True)
    np.column_stack([samples, np.full((n, adc), 7)]).astype(np.int16).tofile(data / "continuous.dat")
    numbers = first_sample + np.arange(n, dtype=np.int64)
    np.save(data / "sample_numbers.npy", numbers)
    np.save(data / "timestamps.npy", numbers / FS)
    gain = INTAN_GAIN if stream == BOARD else NEUROPIXELS_GAIN
    channels = [{"channel_name": f"CH{k + 1}", "bit_volts": gain, "units": "uV"} for k in range(n_channels)]
    channels += [{"channel_name": f"ADC{k + 1}", "bit_volts": 0.000153, "units": "V"} for k in range(adc)]
    described = {"folder_name": f"{stream}/", "sample_rate": FS, "stream_name": stream.partition(".")[2]}
    described |= {"source_processor_name": stream.partition("-1")[0], "num_channels": len(channels), "channels": channels}
    structure = {"GUI version": "0.6.7", "continuous": [described], "events": [], "spikes": []}
    (place / "structure.oebin").write_text(json.dumps(structure, indent=2))
    return data / "continuous.dat"


def write_neuropixels_settings(folder, n_channels=384):
    """Write the `settings.xml` of a record node whose source is a Neuropixels 1.0."""
    names = [f"CH{channel}" for channel in range(n_channels)]
    rows = {
        "CHANNELS": ["0"] * n_channels,
        "ELECTRODE_XPOS": [(27, 59, 11, 43)[channel % 4] for channel in range(n_channels)],
        "ELECTRODE_YPOS": [20 * (channel // 2) for channel in range(n_channels)],
    }
    parts = [
        f"<{tag} " + " ".join(f'{name}="{value}"' for name, value in zip(names, values, strict=True)) + "/>"
        for tag, values in rows.items()
    ]
    (folder / "Record Node 101" / "settings.xml").write_text(
        "<SETTINGS><INFO><VERSION>0.6.7</VERSION></INFO><SIGNALCHAIN>"
        '<PROCESSOR name="Neuropix-PXI" libraryVersion="0.6.5" nodeId="100">'
        '<STREAM name="ProbeA-AP"/><STREAM name="ProbeA-LFP"/>'
        '<EDITOR><NP_PROBE slot="2" port="1" dock="1" probe_part_number="NP1000" probe_serial_number="18005116102" '
        f'apGainValue="500" lfpGainValue="250" isEnabled="1">{"".join(parts)}</NP_PROBE></EDITOR></PROCESSOR>'
        '<PROCESSOR name="Record Node" nodeId="101"/></SIGNALCHAIN></SETTINGS>'
    )
