"""Data of our own making in the form of the Allen Cell Types Database, whose data may not be in the repository.

The cells, models and experiments are invented; names of brain areas, transgenic lines and columns are those of the database.
`tests/unit/test_made_data.py` holds their form against the real ones where those are beside the repository.
"""

import shutil
import zipfile

from allenrec.models.archive import FIT, MODFILES, MORPHOLOGY
from allenrec.models.sources import bmtk

PERISOMATIC, ALL_ACTIVE = 329230710, 491455321
#: Ids of model templates, and the columns of the cell table that count models
COUNTS = {PERISOMATIC: "m__biophys_perisomatic", ALL_ACTIVE: "m__biophys_all_active"}

NAMES = {
    "VISp": "Primary visual area",
    "VISl": "Lateral visual area",
    "VISpm": "posteromedial visual area",
    "RSPagl": "Retrosplenial area, lateral agranular part",
    "SSp-tr": "Primary somatosensory area, trunk",
}

#: Invented cells: how many; line, dendrite type, apical dendrite, area, layer; and which kinds of models each of them has
GROUPS = (
    (5, "Rorb-IRES2-Cre", "spiny", "intact", "VISp", "4", "perisomatic"),
    (4, "Rorb-IRES2-Cre", "spiny", "intact", "VISp", "5", "both"),
    (2, "Scnn1a-Tg3-Cre", "spiny", "intact", "VISp", "4", "perisomatic"),
    (3, "Scnn1a-Tg2-Cre", "spiny", "truncated", "VISl", "4", "perisomatic"),
    (3, "Nr5a1-Cre", "spiny", "intact", "VISp", "2/3", "both"),
    (2, "Ntsr1-Cre_GN220", "spiny", "truncated", "VISp", "6a", "perisomatic"),
    (1, "Rbp4-Cre_KL100", "spiny", "intact", "VISp", "5", "both"),
    (4, "Rbp4-Cre_KL100", "spiny", "intact", "VISpm", "5", "all active"),
    (6, "Pvalb-IRES-Cre", "aspiny", "NA", "VISp", "5", "both"),
    (2, "Pvalb-IRES-Cre", "aspiny", "NA", "VISp", "4", "perisomatic"),
    (3, "Sst-IRES-Cre", "aspiny", "NA", "VISp", "2/3", "perisomatic"),
    (1, "Slc32a1-T2A-FlpO|Sst-IRES-Cre", "aspiny", "NA", "RSPagl", "5", "perisomatic"),
    (1, "Htr3a-Cre_NO152", "sparsely spiny", "NA", "VISp", "1", "both"),
    (1, "Htr3a-Cre_NO152", "sparsely spiny", "NA", "SSp-tr", "6a", "perisomatic"),
    # Most cells of the database have no biophysical model.
    (50, "Cux2-CreERT2", "spiny", "intact", "VISp", "2/3", ""),
    (30, "Vip-IRES-Cre", "aspiny", "NA", "VISpm", "6b", ""),
)
HAS_PERISOMATIC, HAS_ALL_ACTIVE = ("perisomatic", "both"), ("all active", "both")

#: Specimen ids of the invented cells begin above all of the database
FIRST_SPECIMEN = 9_000_000_001


def mouse_cells():
    """Return the rows of the cell table as the site sends them, numbers as numbers: the cells of `GROUPS`, then those whose
    models are in the wheel of bmtk."""
    groups = [row for number, *row in GROUPS for _ in range(number)]
    rows = [
        cell_row(FIRST_SPECIMEN + 37 * i, f"{group[0].split('|')[0]};Made-{i:06}.01", *group) for i, group in enumerate(groups)
    ]
    for _, specimen, name, dendrite, apical, layer in bmtk.CELLS.values():
        line = name.split(";")[0].removesuffix("-D")
        rows.append(cell_row(specimen, name, line, dendrite, apical, "VISp", layer, "perisomatic"))
    return rows


def cell_row(specimen, name, line, dendrite, apical, area, layer, models):
    """Return a row of the site's cell table (`ApiCellTypesSpecimenDetail`), with the columns that say what a cell is."""
    return {
        "specimen__id": specimen,
        "specimen__name": name,
        "csl__normalized_depth": (specimen % 997) / 997 if area == "VISp" else None,  # not every cell's depth is known
        "donor__species": "Mus musculus",
        "line_name": line,
        "structure__acronym": area + layer,
        "structure__layer": layer,
        "structure__name": f"{NAMES[area]}, layer {layer}",
        "structure_parent__acronym": area,
        "tag__apical": apical,
        "tag__dendrite_type": dendrite,
        COUNTS[PERISOMATIC]: int(models in HAS_PERISOMATIC),
        COUNTS[ALL_ACTIVE]: int(models in HAS_ALL_ACTIVE),
    }


def sweep(picoamperes, spikes, name="Long Square", duration=0.999995):
    """Return a row of `ephys_sweeps.json`: a stimulus and how often the real cell fired; no spike is None, as on the site."""
    return {
        "stimulus_name": name,
        "stimulus_absolute_amplitude": picoamperes,
        "stimulus_duration": duration,
        "num_spikes": spikes or None,
    }


def ephys_sweeps():
    """Return the sweeps of an experiment, not in order: steps of 1 s of which one was repeated four times, hyperpolarising
    ones, and other stimuli. Amplitudes miss the round number a little, as measured ones do."""
    steps = [(129.99999687846, 0), (149.999998533268, 5), (69.9999988529321, 0), (210.000002162547, 21), (-110.000002162547, 0)]
    steps += [(170.000000188075, spikes) for spikes in (19, 13, 17, 11)] + [(50.0000006675716, 0), (-90.0, 0), (10.0, 0)]
    others = [sweep(None, 0, "Test", None), sweep(400.0, 3, "Short Square", 0.003), sweep(800.0, 7, "Ramp", 3.5)]
    return [sweep(*step) for step in steps] + others


def site_model(model_id, specimen, template, variance, sweeps=()):
    """Return a row of the site's table of models (`NeuronalModel`), with what is included when a query asks for it."""
    return {
        "id": model_id,
        "specimen_id": specimen,
        "neuronal_model_template_id": template,
        "neuronal_model_runs": [{"explained_variance_ratio": variance}],
        "specimen": {"id": specimen, "ephys_sweeps": list(sweeps)},
    }


def archive_metadata(cell, model_id, template=ALL_ACTIVE, variance=0.7839974):
    """Return `model_metadata.json` of an archive: that of a model of a cell, a row of the cell table."""
    drivers = [{"name": name, "transgenic_line_type_name": "driver"} for name in cell["line_name"].split("|")]
    reporter = {"name": "Ai14(RCL-tdT)", "transgenic_line_type_name": "reporter"}
    specimen = {
        "id": cell["specimen__id"],
        "name": cell["specimen__name"],
        "hemisphere": "left",
        "donor": {"organism_id": 2, "sex": "M", "transgenic_lines": [reporter, *drivers]},
        "specimen_tags": [
            {"name": f"apical - {cell['tag__apical']}"},
            {"name": f"dendrite type - {cell['tag__dendrite_type']}"},
        ],
        "structure": {"acronym": cell["structure__acronym"], "name": cell["structure__name"]},
    }
    return {
        "id": model_id,
        "name": f"Biophysical - all active_{cell['specimen__name']}",
        "neuronal_model_template_id": template,
        "specimen_id": cell["specimen__id"],
        "specimen": specimen,
        "neuronal_model_runs": [{"explained_variance_ratio": variance, "rheobase_feature_average": 3.76}],
    }


def legacy_all_active_model(models_folder, folder):
    """Fill a folder with an all-active model of the older kind, from the wheel of bmtk; return the folder.

    The wheel holds the fit, named after its specimen (a Pvalb cell), a morphology of the same cell (that of model 473862421),
    and the mod files.
    """
    perisomatic = models_folder / "neuronal_model_473862421"
    shutil.copytree(perisomatic / MODFILES, folder / MODFILES)
    shutil.copy(perisomatic / MORPHOLOGY, folder)
    with zipfile.ZipFile(models_folder / "wheel" / bmtk.WHEEL) as wheel:
        fit = wheel.read(str(bmtk.INSIDE / "biophysical_neuron_models" / "318331342_fit.json"))
    (folder / FIT).write_bytes(fit)
    return folder
