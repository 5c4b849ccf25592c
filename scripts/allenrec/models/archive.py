"""A model folder in the layout of the Allen archives: its files are read, checked, and returned as plain values."""

from pathlib import Path

from allenrec.common.errors import UserError
from allenrec.common.files import sha256

from .fit import FitReader, Model
from .mechanisms import declared_mechanisms, mechanisms_digest, mod_files
from .metadata import METADATA, read_metadata, stated_kind
from .parts import FIT, MODFILES, MORPHOLOGY, part_of
from .recorded_sweeps import SWEEPS

__all__ = ["FIT", "MODFILES", "MORPHOLOGY", "STUB_MECHANISMS", "Model", "input_digests", "model_files", "read_model"]

#: Mechanisms that only the newer all-active fits use; these were fitted with an axon stub (AllenSDK's `AllActiveUtils` calls
#: it `axon_type` "stub", as against "truncated")
STUB_MECHANISMS = frozenset({"NaTa_t", "NaTs2_t", "Nap_Et2", "K_Pst", "K_Tst"})


def read_model(folder: str | Path, model_id: str | None = None) -> Model:
    """Read and check a model folder of the kind `allen`.

    Parameters
    ----------
    folder : path
        Holds `fit_parameters.json`, `reconstruction.swc` and `modfiles/*.mod`, or these files under the names of 2015.
    model_id : str, optional
        The id of the model, if it is not the one in the folder's name.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        The message names the model and the file: something is missing, does not parse, names a mechanism or parameter that
        no mod file defines, or leaves a section type of the morphology without values.

    Examples
    --------
    >>> model = read_model("allen_models/neuronal_model_473863510")  # doctest: +SKIP
    >>> model.kind, model.temperature  # doctest: +SKIP
    ('perisomatic', 34.0)
    """
    from .morphology import check_morphology  # loads NumPy, which those who only compare files need not

    folder = Path(folder).absolute()  # not resolved: the id is in the name of a link
    model_id = model_id or folder.name.removeprefix("neuronal_model_")
    for name in (FIT, MORPHOLOGY, MODFILES):
        part, kind = part_of(folder, name), "folder" if name == MODFILES else "file"
        if not part.exists():
            raise UserError(f"model {model_id}: {folder / name} is missing; an Allen model archive holds it")
        if not (part.is_dir() if kind == "folder" else part.is_file()):  # a device or a pipe may have no end
            raise UserError(f"model {model_id}: {part} must be a {kind}")
    fit, morphology = part_of(folder, FIT), part_of(folder, MORPHOLOGY)
    mechanisms = declared_mechanisms(folder / MODFILES)
    sections = check_morphology(model_id, morphology)
    model = FitReader(model_id, fit).model(mechanisms, sections)
    stated = stated_kind(read_metadata(folder)) or model.kind
    if stated != model.kind:
        raise UserError(
            f"model {model_id}: {folder / METADATA} calls it {stated}, but {fit.name} is the fit of a model that is "
            f"{model.kind}, which is loaded by another recipe; one of the two files belongs to another model"
        )
    return model


def input_digests(folder: str | Path) -> dict[str, str]:
    """Return the digests of a model's files: the set of mechanisms, the fit and the morphology."""
    folder = Path(folder)
    return {
        "mechanisms": mechanisms_digest(folder / MODFILES),
        FIT: sha256(part_of(folder, FIT)),
        MORPHOLOGY: sha256(part_of(folder, MORPHOLOGY)),
    }


def model_files(folder: str | Path) -> list[Path]:
    """Return the paths of the files that make up a model: the fit, the morphology, the mod files, and the recorded sweeps if
    the folder has them."""
    folder = Path(folder)
    sweeps = [folder / SWEEPS] if (folder / SWEEPS).exists() else []
    return [part_of(folder, FIT), part_of(folder, MORPHOLOGY), *mod_files(folder / MODFILES), *sweeps]
