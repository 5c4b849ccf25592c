"""The parts of a model: its files and their names, and the types of its sections."""

from pathlib import Path

from allenrec.common.errors import UserError

FIT = "fit_parameters.json"
MORPHOLOGY = "reconstruction.swc"
MODFILES = "modfiles"
#: How these parts are called in archives of 2015
OLD_NAMES = {FIT: "*_fit.json", MORPHOLOGY: "*_m.swc"}
#: SWC structure identifiers and the section types of the fits
SECTION_OF_SWC_TYPE = {1: "soma", 2: "axon", 3: "dend", 4: "apic"}
SECTIONS = frozenset(SECTION_OF_SWC_TYPE.values())


def part_of(folder: str | Path, name: str) -> Path:
    """Return the path of a part of a model: under the name of today's archives or, if it is not there, under that of 2015.

    Raises
    ------
    UserError
        If the folder has several files with such an old name.
    """
    folder = Path(folder)
    if name not in OLD_NAMES or (folder / name).exists():
        return folder / name
    old = sorted(path for path in folder.glob(OLD_NAMES[name]) if not path.name.endswith("_marker_m.swc"))
    if len(old) > 1:
        raise UserError(f"{folder}: both {old[0].name} and {old[1].name} may be its {name}; keep one")
    return old[0] if old else folder / name
