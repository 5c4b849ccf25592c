"""MEArec's parameter files in the words of this configuration."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from allenrec.common.errors import UserError, shown
from allenrec.common.plain_files import load_yaml

from . import Settings
from .error_messages import MEAREC_KEYS, explain
from .libraries import Library
from .models import Intracellular
from .recordings import Drift, Recording
from .recordings.streams import in_our_words

#: The name of the library and of the recording in a converted configuration
NAME = "mearec"
#: The blocks of a file of recordings; a file of templates has none of them
BLOCKS_OF_RECORDINGS = ("spiketrains", "cell_types", "templates", "recordings", "seeds")
#: What to say of cell types, whose key is the same but not its meaning
CELL_TYPES = (
    "MEArec searches for them in the names of models, here they are the cell types of the cell table; by default spiny "
    "cells are excitatory, the others inhibitory"
)

#: The comment of a configuration with a library
CELLS = "# cells: those of cells.tsv; MEArec's own are in config/bbp.yaml: add its blocks cells, models and cell_types"


def convert_files(paths: Sequence[str], library: str = NAME) -> str:
    """Return MEArec's parameter files as one text of YAML; comments say what was left out, and why.

    With a library, the text stands alone: it takes the place of the default configuration instead of being merged over it.

    Parameters
    ----------
    paths : sequence of path
        A file of template parameters, one of recording parameters, or both.
    library : str
        The library of a recording whose template parameters are not given.

    Raises
    ------
    UserError
        If a file cannot be read, is not one of MEArec's, or has a value that is not possible here.
    """
    config: dict[str, Any] = {}
    comments: list[str] = []
    for path in paths:
        block, left_out = convert(_read(path))
        config |= block
        comments += [f"# {Path(path).name}: {line}" for line in left_out]
    if "libraries" in config:
        config = {"stands_alone": True} | config
        comments.append(CELLS)
    else:
        config["recordings"][NAME]["library"] = library
    try:
        Settings.model_validate({"libraries": {library: {"probe": "Neuronexus-32"}}} | config)
    except ValidationError as error:
        raise UserError(f"{', '.join(paths)}: {explain(error.errors(), Settings)}") from None
    return "\n".join([*comments, yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=100)])


def convert(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return MEArec's parameters as blocks of this configuration, and a line for each key that was left out."""
    if any(isinstance(params.get(name), Mapping) for name in BLOCKS_OF_RECORDINGS):
        return _recording(params)
    return _library(params)


def _library(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return template parameters as a library, with the simulation and the seed, which stand in blocks of their own."""
    simulation = {key: value for key, value in params.items() if key in Intracellular.model_fields}
    seed = {key: value for key, value in params.items() if key == "seed" and value is not None}
    rest = {key: value for key, value in params.items() if key not in simulation and key not in seed}
    library, left_out = _kept(rest, Library.model_fields)
    return {"intracellular": simulation, "libraries": {NAME: library}} | seed, left_out


def _recording(params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return recording parameters as a recording."""
    blocks, left_out = _kept(params, Recording.model_fields)
    if blocks.pop("cell_types", None):
        left_out.append(f"cell_types: left out; {CELL_TYPES}")
    recording: dict[str, Any] = {"library": NAME}
    if "seeds" in blocks:
        recording["seeds"] = in_our_words(blocks.pop("seeds"))
    for name, block in blocks.items():
        keys = getattr(Recording.model_fields[name].annotation, "model_fields", {}) if name in Recording.model_fields else {}
        # The keys of a single drift may stand beside `drifting`
        recording[name], lines = _kept(block or {}, [*keys, *Drift.model_fields] if "drifting" in keys else keys, f"{name}.")
        left_out += lines
    return {"recordings": {NAME: recording}}, left_out


def _kept(block: Mapping[str, Any], known: Collection[str], prefix: str = "") -> tuple[dict[str, Any], list[str]]:
    """Return the keys of a block without those of MEArec that are not `known`, and a line for each of these."""
    left_out = [key for key in block if key in MEAREC_KEYS and key not in known]
    lines = [f"{prefix}{key}: {shown(block[key])} left out; {MEAREC_KEYS[key]}" for key in left_out]
    return {key: value for key, value in block.items() if key not in left_out}, lines


def _read(path: str) -> Mapping[str, Any]:
    """Read a parameter file."""
    params = load_yaml(path, "holds no parameters of MEArec, which are keys and values")
    if not params:
        raise UserError(f"{path} holds no parameters of MEArec, which are keys and values")
    return params
