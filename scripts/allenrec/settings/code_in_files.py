"""Code in configuration files: Snakemake runs the Python in a YAML file that says `__use_yte__: true`, while it reads it."""

import json
import os
from pathlib import Path

import yaml

from allenrec.common.errors import UserError

#: The environment variable that permits code in configuration files, with the value 1
PERMISSION = "ALLENREC_ALLOW_YTE"


def refuse_code(path: str | Path, *, was_read: bool = False) -> None:
    """Raise an error if Snakemake would run Python that is in a configuration file, unless the environment permits it.

    Parameters
    ----------
    path : path
        A configuration file. If it is missing or is not valid YAML, Snakemake itself says so, and runs nothing.
    was_read : bool
        Whether Snakemake has read the file already.

    Raises
    ------
    UserError
        The message says what to do, and whether the code has run.
    """
    if os.environ.get(PERMISSION) == "1" or not runs_code(path):
        return
    run = "has run it already, because --configfile is read before the workflow" if was_read else "would run it"
    raise UserError(
        f"{path}: with `__use_yte__` the file has Python in it, and Snakemake {run}; take it out, or set {PERMISSION}=1 in the "
        "environment if you trust the file"
    )


def runs_code(path: str | Path) -> bool:
    """Return whether Snakemake runs Python that is in a configuration file. It is read as Snakemake and YTE read it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        json.loads(text)
        return False
    except (ValueError, RecursionError):
        pass
    try:
        content = yaml.load(text, Loader=yaml.FullLoader)  # as YTE does
    except (ValueError, TypeError, RecursionError, yaml.YAMLError):
        return False  # Snakemake cannot read it either
    return isinstance(content, dict) and bool(content.get("__use_yte__"))
