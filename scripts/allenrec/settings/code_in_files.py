"""Code in configuration files: Snakemake runs the Python in a YAML file that says `__use_yte__: true`, while it reads it."""

import os
from pathlib import Path
from typing import Any

from allenrec.common.errors import UserError

#: The environment variable that permits code in configuration files, with the value 1
PERMISSION = "ALLENREC_ALLOW_YTE"


def refuse_code(path: str | Path, content: Any, *, was_read: bool = False) -> None:
    """Raise an error if Snakemake would run Python that is in a configuration file, unless the environment permits it.

    Parameters
    ----------
    path : path
        A configuration file in YAML; Snakemake runs no Python in JSON.
    content : object
        What it holds, as YTE reads it.
    was_read : bool
        Whether Snakemake has read the file already.

    Raises
    ------
    UserError
        The message says what to do, and whether the code has run.
    """
    runs_code = isinstance(content, dict) and bool(content.get("__use_yte__"))
    if os.environ.get(PERMISSION) == "1" or not runs_code:
        return
    run = "has run it already, because --configfile is read before the workflow" if was_read else "would run it"
    raise UserError(
        f"{path}: with `__use_yte__` the file has Python in it, and Snakemake {run}; take it out, or set {PERMISSION}=1 in the "
        "environment if you trust the file"
    )
