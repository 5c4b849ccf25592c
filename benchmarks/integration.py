"""What the time step does to spikes: integration schemes against a run at 0.005 ms, the step of the Allen Institute's own runs.

For each cell and scheme: a step current of one second, the number of spikes, and the extracellular spike 20 µm from the soma's
centre in 40 directions, sampled at 32 kHz as templates are. Amplitude is that of the unfiltered spike; half width and trough to
peak are those after the default filter of recordings (third order, 300 to 6000 Hz, forward and backward). All are medians over
spikes and directions, measured on a cubic spline. The cost is the user time of one run of NEURON without recording, over that
of today's default until version 0.2.0, the implicit method at 2^-5 ms.

The five cells of the bmtk wheel, and any folder in the layout of an Allen archive, such as an all-active model:

    python benchmarks/integration.py [--amplitude 0.33] [--duration 1000] [folder ...]
"""

import argparse
import time
from pathlib import Path

import harness
import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, resample_poly, sosfiltfilt

#: Time between samples of a template, ms
SAMPLE = 2**-5
#: Name of a scheme: time step (ms), that of fast changes or None, NEURON's order, and how samples come from finer steps
SCHEMES = {
    "0.005": (0.005, None, 0, "low-pass"),
    "2^-5": (2**-5, None, 0, "every"),
    "2^-6": (2**-6, None, 0, "every"),
    "2^-7": (2**-7, None, 0, "every"),
    "2^-5, second order": (2**-5, None, 2, "every"),
    "2^-6, second order": (2**-6, None, 2, "every"),
    "2^-6, second order, low-pass": (2**-6, None, 2, "low-pass"),
    "2^-7, second order": (2**-7, None, 2, "every"),
    "2^-5, in spikes 2^-7": (2**-5, 2**-7, 0, "every"),
    "2^-5, in spikes 2^-8 (default)": (2**-5, 2**-8, 0, "every"),
    "2^-5, in spikes 2^-9": (2**-5, 2**-9, 0, "every"),
}
REFERENCE, BEFORE = "0.005", "2^-5"
#: Onset of the step current, and the window around a spike's peak, ms
DELAY, WINDOW = 10.0, (2.0, 5.0)
#: Distance of the points from the soma's centre, µm, and their number
DISTANCE, N_POINTS = 20.0, 40
#: Current steps at which the cells of the wheel fire well, nA
AMPLITUDE = 0.2


def points():
    """Return points (n, 3) on a sphere around the soma, µm, spread evenly (Fibonacci's lattice)."""
    k = np.arange(N_POINTS) + 0.5
    polar, azimuth = np.arccos(1 - 2 * k / N_POINTS), np.pi * (1 + 5**0.5) * k
    return DISTANCE * np.stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)], axis=1)


def simulate(folder, mechanisms, amplitude, duration, scheme):
    """Return the somatic potential (n,) mV, the potential at all points (n, points) µV, the user time of a run without it, and
    the largest distance of the sum of the currents from the injected one (nA)."""
    import neuron

    from allenrec.intracellular.cell import load_cell
    from allenrec.intracellular.simulation import StepRun, fast_membrane_currents, membrane_currents, segment_geometry
    from allenrec.libraries.forward_model import transfer_matrix

    dt, spike_dt, order, _ = SCHEMES[scheme]
    cell = load_cell(folder, mechanisms, dt=dt, tstop=DELAY + duration)
    neuron.h.secondorder = order
    geometry = segment_geometry(cell)
    # µV a nA; an insulating plane doubles all of it
    matrix = 2e3 * transfer_matrix(geometry["start"], geometry["end"], geometry["diameter"], points())

    plain = StepRun(cell, amplitude, DELAY, duration, spike_dt)
    start = time.process_time()
    plain.advance(plain.n_steps)
    seconds = time.process_time() - start
    del plain  # and with it its current

    with fast_membrane_currents():
        run = StepRun(cell, amplitude, DELAY, duration, spike_dt)
        gather = membrane_currents(cell)
        eap, total = [matrix @ gather()], []

        def record():
            currents = gather()
            eap.append(matrix @ currents)
            total.append(currents.sum())

        run.advance(run.n_steps, record)
    error = float(np.abs(np.array(total[round(DELAY / dt) + 1 : -1]) - amplitude).max())
    eap = np.array(eap)
    if order == 2:
        # These currents are those in the middle of the step that leads to a sample.
        eap[:-1] = (eap[:-1] + eap[1:]) / 2
    return run.vmem, eap, seconds, error


def sampled(values, dt, how):
    """Return values (n, ...) at 32 kHz."""
    step = SAMPLE / dt
    if how == "every":
        return values[:: round(step)]
    if step == round(step):
        return resample_poly(values, 1, round(step), axis=0)
    ratio = 1 / round(1 / dt), 1 / round(1 / SAMPLE)  # 200 kHz to 32 kHz is 4/25
    up, down = (round(r * 1e6) for r in (ratio[0], ratio[1]))
    common = np.gcd(up, down)
    return resample_poly(values, up // common, down // common, axis=0)


def peaks(vmem):
    """Return the sample indices of spikes: the highest potential after each crossing of -20 mV."""
    above = np.concatenate(([False], vmem >= -20, [False]))
    starts, ends = np.flatnonzero(~above[:-1] & above[1:]), np.flatnonzero(above[:-1] & ~above[1:])
    return [a + int(np.argmax(vmem[a:b])) for a, b in zip(starts, ends, strict=True)]


def shape(waveform, *, fine=0.001):
    """Return the trough's depth (µV), its width at half depth and the time to the highest peak after it (ms) of (n,) µV."""
    t = np.arange(0, (len(waveform) - 1) * SAMPLE, fine)
    values = CubicSpline(np.arange(len(waveform)) * SAMPLE, waveform)(t)
    trough = int(np.argmin(values))
    half = np.flatnonzero(values > values[trough] / 2)
    left, right = half[half < trough], half[half > trough]
    if not (len(left) and len(right)):
        return -values[trough], np.nan, np.nan
    return -values[trough], t[right[0]] - t[left[-1]], t[trough + int(np.argmax(values[trough:]))] - t[trough]


def features(folder, mechanisms, amplitude, duration, scheme):
    """Return what a scheme gives for a cell: features of its spikes, their number and the cost."""
    dt, how = SCHEMES[scheme][0], SCHEMES[scheme][-1]
    vmem, eap, seconds, error = simulate(folder, mechanisms, amplitude, duration, scheme)
    spikes = [round(peak * dt / SAMPLE) for peak in peaks(vmem)]
    eap = sampled(eap, dt, how)
    band = butter(3, (300, 6000), "bandpass", fs=1000 / SAMPLE, output="sos")
    filtered = sosfiltfilt(band, eap, axis=0)
    before, after = (round(w / SAMPLE) for w in WINDOW)
    windows = [slice(s - before, s + after) for s in spikes[1:] if s + after < len(eap)]
    raw = np.nanmedian([shape(eap[w, i] - eap[w, i][0])[0] for w in windows for i in range(N_POINTS)])
    shapes = np.array([shape(filtered[w, i]) for w in windows for i in range(N_POINTS)])
    upstroke = np.median([np.diff(vmem[round(s * SAMPLE / dt) - round(1 / dt) :][: round(1 / dt)]).max() / dt for s in spikes])
    return {
        "amplitude": raw,
        "half_width": np.nanmedian(shapes[:, 1]),
        "trough_to_peak": np.nanmedian(shapes[:, 2]),
        "upstroke": upstroke,
        "spikes": len(spikes),
        "seconds": seconds,
        "sum_error": error,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="further models")
    parser.add_argument("--amplitude", type=float, default=0.33, help="nA, for further models")
    parser.add_argument("--duration", type=float, default=1000.0, help="ms")
    parser.add_argument("--quick", action="store_true", help="two cells of the wheel for 200 ms")
    options = parser.parse_args()
    names = ("473863510", "472912177") if options.quick else harness.MODELS
    folders = harness.fetch_models(names)
    mechanisms = harness.compile_for(folders)
    cells = [(name, folders[name], mechanisms[name], AMPLITUDE) for name in names]
    cells += [(folder.name, folder, mechanisms[names[0]], options.amplitude) for folder in options.folders]
    duration = 200.0 if options.quick else options.duration
    rows, tables = [], []
    for name, folder, compiled, amplitude in cells:
        found = {scheme: harness.fresh(features, folder, compiled, amplitude, duration, scheme) for scheme in SCHEMES}
        rows += scheme_rows(name, found)
        tables.append(cell_table(name, amplitude, found))
        print(f"\n{tables[-1]}", flush=True)
    packages = ("neuron", "LFPy", "numpy", "scipy")
    harness.report("integration", rows, packages=packages, markdown="\n\n".join(tables))


def scheme_rows(name, found):
    """The rows of a cell: the cost of each scheme."""
    cost = {scheme: values["seconds"] / found[BEFORE]["seconds"] for scheme, values in found.items()}
    return [harness.own_row(f"{name}: {scheme}", cost[scheme], f"costs of {BEFORE}", None) for scheme in found]


def cell_table(name, amplitude, found):
    """Return the table of a cell in Markdown."""
    exact, before = found[REFERENCE], found[BEFORE]
    lines = [
        f"**{name}**, {amplitude:g} nA\n",
        "| time step, ms | amplitude, µV | half width, ms | trough to peak, ms | upstroke, mV/ms | spikes | cost |",
        "|---|---|---|---|---|---|---|",
    ]
    for scheme, values in found.items():
        cells = [
            f"{values[key]:.{digits}f} ({values[key] / exact[key] - 1:+.1%})"
            for key, digits in (("amplitude", 1), ("half_width", 3), ("trough_to_peak", 3), ("upstroke", 0))
        ]
        cost = values["seconds"] / before["seconds"]
        lines.append(f"| {scheme} | {' | '.join(cells)} | {values['spikes']} | {cost:.2f} |")
    worst = max(values["sum_error"] for values in found.values())
    return "\n".join([*lines, f"\nThe currents add up to the injected one within {worst:.0e} nA."])


if __name__ == "__main__":
    main()
