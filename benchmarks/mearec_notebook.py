"""Runs in MEArec's environment: the recipe of MEArec's Allen notebook, models to figures. Started by `notebook.py`.

A re-implementation in our own words of `generate_recordings_with_allen_models.ipynb` of MEArec. Kept as they are
there: the loader (mod files compiled at every load, segments by lambda_f, values of the genome set by `exec`, the
passive block and the axon of the fit left out), MEArec's default parameters, and the order of things. Different: the
loop over models simulates each model, where the notebook repeats the first; each has a seed of its own, because with
one seed MEArec puts the templates of all models in the same places, and then finds too few that are apart; the
notebook's trial run of one cell is left out; figures are saved, not shown.

The only argument is JSON: `models` (model folder to cell type), `folder` (for results), `n` (templates a cell),
`duration` (s), `n_exc`, `n_inh` (units), `min_dist` (µm), `processes` (for templates, each a model at a time),
`n_jobs` (of the recording), `seed`. Prints JSON on its last line: the seconds of both halves, and what came of them.
"""

import contextlib
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import LFPy
import matplotlib
import MEArec
import MEAutility
import neuron
import numpy as np

matplotlib.use("agg")
import matplotlib.pyplot as plt


def allen_cell(cell_model_folder, dt=2**-5, start_T=0, end_T=1):
    """The notebook's loader; times in ms."""
    start_folder = Path.cwd()
    os.chdir(Path(cell_model_folder) / "modfiles")
    os.system("nrnivmodl")
    os.chdir("..")
    # The relative path is the notebook's. NEURON takes it for loaded from the second model on; here all have the same.
    neuron.load_mechanisms("modfiles")
    fit = json.loads(Path("fit_parameters.json").read_text())
    conditions = fit["conditions"][0]
    neuron.h.celsius = conditions["celsius"]
    cell = LFPy.Cell(
        morphology="reconstruction.swc",
        v_init=conditions["v_init"],
        passive=False,
        nsegs_method="lambda_f",
        lambda_f=200.0,
        dt=dt,
        tstart=start_T,
        tstop=end_T,
    )
    for section in neuron.h.allsec():
        section.insert("pas")
        set_values(section, fit["genome"], conditions["erev"])
    os.chdir(start_folder)
    return cell


def set_values(section, genome, reversal):
    """Set what the genome and the reversal potentials of a fit say of a section's type."""
    kind = section.name().split("[")[0]
    for gene in genome:
        if gene["section"] == kind:
            if gene["mechanism"]:
                section.insert(gene["mechanism"])
            exec(f"section.{gene['name']} = {gene['value']}")
    for potentials in reversal:
        if potentials["section"] == kind:
            for name, value in potentials.items():
                if name != "section":
                    exec(f"section.{name} = {value}")


def templates_of(model, currents_folder, params):
    """Return the templates of one model, their locations (µm) and rotations (rad)."""
    return MEArec.simulate_templates_one_cell(
        model,
        intra_save_folder=currents_folder,
        params=params,
        verbose=False,
        custom_return_cell_function=allen_cell,
    )


def all_templates(models, currents_folder, params, processes):
    """Return what `templates_of` does for each model: one after another, or some at a time in their own processes."""
    if processes == 1:
        return [templates_of(model, currents_folder, own) for model, own in zip(models, params, strict=True)]
    # A process for each model: NEURON keeps cells and mechanisms globally.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        return list(pool.map(templates_of, models, [currents_folder] * len(models), params))


def make_library(job, path):
    """Make the library of all models, save it, and draw it."""
    params = MEArec.get_default_templates_params() | {"seed": job["seed"], "rot": "3drot", "n": job["n"]}
    seeded = [params | {"seed": job["seed"] + i} for i in range(len(job["models"]))]
    found = all_templates(job["models"], Path(job["folder"], "intracellular"), seeded, job["processes"])
    names = ("templates", "locations", "rotations")
    arrays = {name: np.concatenate(parts) for name, *parts in zip(names, *found, strict=True)}
    labels = zip(job["models"].values(), found, strict=True)
    types = np.concatenate([[cell_type] * len(templates) for cell_type, (templates, _, _) in labels])
    generator = MEArec.TemplateGenerator(
        temp_dict=arrays | {"celltypes": types},
        info={"params": params, "electrodes": MEAutility.return_mea_info(params["probe"])},
    )
    MEArec.plot_templates(generator)
    save_figure(path.with_suffix(".png"))
    MEArec.save_template_generator(generator, str(path))
    return len(types)


def make_recording(job, library, path):
    """Make a recording from the library, save it, and draw it."""
    params = MEArec.get_default_recordings_params()
    params["cell_types"] = {"excitatory": ["spiny"], "inhibitory": ["aspiny"]}
    params["spiketrains"] |= {key: job[key] for key in ("duration", "n_exc", "n_inh")}
    params["templates"] |= {"min_dist": job["min_dist"], "min_amp": 30}
    params["seeds"] = dict.fromkeys(("spiketrains", "templates", "convolution", "noise"), job["seed"])
    generator = MEArec.gen_recordings(params=params, templates=str(library), verbose=False, n_jobs=job["n_jobs"])
    MEArec.plot_rasters(generator.spiketrains)
    save_figure(path.with_name("rasters.png"))
    MEArec.plot_templates(generator)
    save_figure(path.with_name("unit_templates.png"))
    MEArec.plot_recordings(generator, start_time=0, end_time=5, overlay_templates=True, lw=0.5)
    save_figure(path.with_name("recordings.png"))
    MEArec.save_recording_generator(generator, str(path))
    return len(generator.spiketrains)


def save_figure(path):
    plt.gcf().savefig(path)
    plt.close("all")


def main():
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):
        n_templates = make_library(job, folder / "templates.h5")
        library_done = time.perf_counter()
        n_units = make_recording(job, folder / "templates.h5", folder / "recording.h5")
    result = {
        "library": library_done - start,
        "recording": time.perf_counter() - library_done,
        "n_templates": n_templates,
        "n_units": n_units,
    }
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
