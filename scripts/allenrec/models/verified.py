"""The record of a model's check, and the check that its files have not changed since."""

import json
from pathlib import Path

from allenrec.common.errors import DamagedFile
from allenrec.common.files import sha256

from .archive import model_files
from .metadata import METADATA

#: The file of ours beside those of the archive, with the digests of the checked files
VERIFIED = "verified.json"


def require_verified(folder: str | Path) -> None:
    """Check, before files of a model are compiled or simulated, that they are still those that `fetch_model` has checked.

    Raises
    ------
    DamagedFile
        If a file was changed, added or removed since then, or if the record of the check cannot be read.
    """
    folder = Path(folder)
    again = "check the model again with `snakemake --forcerun download_model`"
    try:
        verified = json.loads((folder / VERIFIED).read_text(encoding="utf-8"))
        checked = {name: digest for name, digest in verified.items() if name != METADATA}
    except (OSError, ValueError, AttributeError):
        raise DamagedFile(f"{folder / VERIFIED} is not a valid record of a check; {again}") from None
    files = {str(path.relative_to(folder)): sha256(path) for path in model_files(folder)}
    for name in sorted(files.keys() | checked.keys()):
        if files.get(name) != checked.get(name):
            raise DamagedFile(f"{folder / name} was changed after it was checked; {again}")
