"""Simulate the spikes of a model, and write its intracellular file."""

from importlib.metadata import version
from pathlib import Path

from allenrec.common.job_log import job_log
from allenrec.common.outcomes import recorded_outcome

with job_log(snakemake) as terminal, recorded_outcome(snakemake, "simulate_spikes", terminal):
    from allenrec.cells.table import cell_facts, describe_cell
    from allenrec.intracellular.cell import load_cell
    from allenrec.intracellular.intracellular_file import write_currents
    from allenrec.intracellular.simulation import compare_with_recorded, simulate_spikes
    from allenrec.models.archive import input_digests, read_metadata
    from allenrec.models.mechanisms import compile_mechanisms
    from allenrec.models.recorded_sweeps import flags, read_recorded_steps, steps_to_compare

    chosen = snakemake.params.settings
    settings = chosen.intracellular.model_dump(mode="json")
    folder = Path(snakemake.input.model[0]).parent
    facts = cell_facts(read_metadata(folder))
    described = describe_cell(snakemake.params.cell, facts, chosen.cell_type_column)
    # Compiled by the rule before; asked for again because someone may have cleared the folder in between.
    mechanisms = compile_mechanisms(folder / "modfiles", Path(snakemake.input.mechanisms[0]).parent)
    cell = load_cell(folder, mechanisms, dt=settings.pop("dt"), axon=chosen.axon)

    def report(response):
        print(f"{response.amplitude:.4g} nA: {len(response.peaks)} spikes ({response.verdict})")

    result = simulate_spikes(cell, **settings, progress=report)

    steps = steps_to_compare(read_recorded_steps(folder), chosen.recorded_steps)
    spikes, at_rest = compare_with_recorded(cell, steps, threshold=settings["threshold"])
    for step, count in zip(steps, spikes, strict=True):
        print(f"{step.amplitude:.4g} nA: {count} spikes, in the recorded cell {' '.join(map(str, step.spikes))}")
    found = dict.fromkeys(result["flags"] + flags(steps, spikes, at_rest))
    if found:
        print(f"model {snakemake.wildcards.model} is flagged: {', '.join(found)}")
    result["recorded"] = {
        "amplitude": [step.amplitude for step in steps],
        "cell_spikes": [sum(step.spikes) / len(step.spikes) for step in steps],
        "model_spikes": spikes,
    }
    attributes = {
        "model_id": snakemake.wildcards.model,
        "specimen_id": described["specimen_id"],
        "cell_type": described["cell_type"],
        "facts": facts | {"model_kind": cell.model.kind, "flags": ", ".join(found)},
        "model_kind": cell.model.kind,
        "axon": cell.axon,
        "celsius": cell.model.temperature,
        "v_init": cell.model.v_init,
        "amplitude": result["amplitude"],
        "dt": cell.dt,
        "stimulus": settings,
        "versions": {package: version(package) for package in ("neuron", "LFPy", "numpy")},
        "digests": input_digests(folder),
    }
    write_currents(snakemake.output[0], attributes, result)
