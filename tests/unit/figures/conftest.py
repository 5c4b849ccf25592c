"""A cell, a library and a recording of known content, to be drawn."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from unit.figures.drawn import AMPLITUDES, CONTACTS, FS, N_T, PEAK, squares

from allenrec.intracellular.intracellular_file import Currents, CurrentsInfo
from allenrec.models.metadata import CellFacts
from allenrec.settings.models import Intracellular


@pytest.fixture
def cell():
    """A soma, a stub of two segments and dendrites; two runs, the second accepted, with three spikes, two stored."""
    rng = np.random.default_rng(0)
    section = np.array(["soma", "axon", "axon"] + ["dend"] * 12 + ["apic"] * 5, dtype=object)
    start = rng.uniform(-80, 80, (20, 3))
    end = start + rng.uniform(-20, 20, (20, 3))
    start[0], end[0] = (-6, 0, 0), (6, 0, 0)
    time = np.arange(0, 1100, 1 / 32)
    vmem = np.full(len(time), -80.0)
    spikes = np.array([100.0, 200.0, 300.0])
    vmem[(spikes * 32).astype(int)] = (10.0, 20.0, 30.0)
    imem = rng.normal(size=(2, 20, N_T))
    shape = np.exp(-0.5 * ((np.arange(N_T) - PEAK) / 8) ** 2)
    return Currents(
        info=CurrentsInfo(
            model_id="123",
            specimen_id="",
            cell_type="spiny",
            facts=CellFacts(),
            model_kind="perisomatic",
            axon="stub",
            celsius=34.0,
            v_init=-80.0,
            settings=Intracellular(delay=10.0, sim_time=1.0, dt=1 / 32),
            versions={},
            digests={},
        ),
        amplitude=0.2,
        start=start,
        end=end,
        diameter=rng.uniform(0.3, 3.0, 20),
        section=section,
        imem=imem,
        spike_vmem=np.stack([shape, 3 * shape]),
        spike_times=spikes[1:],
        vmem=vmem,
        time=time,
        search_amplitude=np.array([0.1, 0.2]),
        search_n_spikes=np.array([0, 3]),
        recorded_amplitude=np.array([0.15, 0.25]),
        recorded_cell_spikes=np.array([2.0, 10.5]),
        recorded_model_spikes=np.array([4, 9]),
        rheobase=np.array([0.1, 0.12, 0.1]),
    )


@pytest.fixture
def library():
    """Nine templates of three models: each has a trough at one contact, and its soma is 15 µm in front of it."""
    rng = np.random.default_rng(1)
    models = np.repeat(np.array(["1", "2", "3"], dtype=object), 3)
    templates = np.zeros((9, len(CONTACTS), N_T), dtype=np.float32)
    largest = rng.integers(len(CONTACTS), size=9)
    shape = -np.exp(-0.5 * ((np.arange(N_T) - PEAK) / 8) ** 2)
    templates[np.arange(9), largest] = AMPLITUDES[:, np.newaxis] * shape
    frame = {"model_id": ["1", "2", "3"], "cell_type": ["spiny", "spiny", "aspiny"]}
    frame |= {"n_templates": [3, 3, 3], "n_candidates": [30, 300, 3000], "acceptance_rate": [0.1, 0.01, 0.001]}
    return SimpleNamespace(
        templates=templates,
        amplitudes=-templates.min(axis=(1, 2)),
        at_centre=lambda rows: templates[rows],
        locations=CONTACTS[largest] + (15.0, 0.0, 0.0),
        positions=CONTACTS[largest] + (15.0, 0.0, 0.0),
        celltypes=np.where(models == "3", "aspiny", "spiny").astype(object),
        model_ids=models,
        channel_positions=CONTACTS,
        probe=squares(CONTACTS),
        cells=pd.DataFrame(frame),
        dt=1 / 32,
        cut_out=(2.0, 5.0),
    )


@pytest.fixture
def recording(library):
    """Four units over 2 s in noise; all of them fire between 1.2 and 1.25 s."""
    chosen = np.array([0, 4, 6, 8])
    times = [[0.1, 1.2], [0.5, 1.21, 1.7], [1.22], [0.9, 1.25]]
    trains = [np.round(np.array(t) * FS).astype(np.int64) for t in times]
    traces = np.random.default_rng(2).normal(0, 5, (int(2 * FS), len(CONTACTS))).astype(np.float32)
    for unit, train in zip(chosen, trains, strict=True):
        for sample in train:
            traces[sample - PEAK : sample - PEAK + N_T] += library.templates[unit].T
    amplitude = -library.templates[chosen].min(axis=(1, 2))
    units = pd.DataFrame({"cell_type": library.celltypes[chosen], "bintype": ["E", "E", "I", "I"]})
    units = units.assign(amplitude=amplitude, snr=amplitude / 5, rate=[len(t) / 2 for t in times])
    units[["x", "y", "z"]] = library.locations[chosen]
    return SimpleNamespace(
        traces=traces,
        sampling_frequency=FS,
        duration=2.0,
        channel_positions=CONTACTS,
        probe=squares(CONTACTS),
        units=units,
        spike_trains=trains,
        spike_times=[np.array(t) for t in times],
        unfiltered_templates=library.templates[chosen],
        template_peak=PEAK,
    )


@pytest.fixture
def noisy_recording():
    """Three units of 80, 120 and 50 µV over 10 s on four channels at 10 kHz, in noise of 5 µV."""
    amplitudes, fs, peak, n_t, n_channels = (80.0, 120.0, 50.0), 10_000.0, 20, 60, 4
    rng = np.random.default_rng(0)
    shape = -np.exp(-0.5 * ((np.arange(n_t) - peak) / 3) ** 2)
    templates = np.zeros((3, n_channels, n_t), dtype=np.float32)
    templates[range(3), [1, 3, 0]] = np.outer(amplitudes, shape)
    trains = [np.sort(rng.choice(900, n, replace=False) + 50) * 100 + 7 * unit for unit, n in enumerate((60, 90, 40))]
    traces = rng.normal(0, 5, (int(10 * fs), n_channels)).astype(np.float32)
    for unit, train in enumerate(trains):
        for sample in train:
            traces[sample - peak : sample - peak + n_t] += templates[unit].T
    units = pd.DataFrame({"cell_type": ["spiny", "spiny", "aspiny"], "bintype": ["E", "E", "I"], "amplitude": amplitudes})
    return SimpleNamespace(
        traces=traces,
        samples=traces,
        gain_to_uV=1.0,
        offset_to_uV=0.0,
        sampling_frequency=fs,
        duration=10.0,
        channel_positions=np.column_stack([np.zeros(4), np.zeros(4), [0.0, 20.0, 40.0, 60.0]]),
        probe=SimpleNamespace(shank_ids=None),
        units=units.assign(rate=[6.0, 9.0, 4.0]),
        spike_trains=trains,
        spike_times=[train / fs for train in trains],
        filtered_templates=templates,
        template_peak=peak,
    )
