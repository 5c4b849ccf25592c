"""The source `local`: models that are there already, unzipped by the user or left by another source at an earlier run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError

from ..kinds.register import kind_of
from ..metadata import METADATA

if TYPE_CHECKING:
    from allenrec.settings.models import Models

#: The record of a folder that the user filled, which does not have one of ours
FROM_USER = {"source": "local"}


def fetch(model_id: str, folder: Path, settings: Models) -> dict[str, str] | None:
    """Return the record of a model folder that is there already, None if it is empty or absent."""
    return find_record(folder)


def find_record(folder: Path) -> dict[str, str] | None:
    """Return the record of where the content of a model folder comes from, None if the folder is empty or absent."""
    # Snakemake makes the folders of a rule's outputs before the rule runs.
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    try:
        record = json.loads((folder / METADATA).read_text(encoding="utf-8"))["allenrec"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return FROM_USER
    if not isinstance(record, dict) or not isinstance(record.get("source"), str):
        return FROM_USER
    return {key: value for key, value in record.items() if key != "files"}


def user_files(folder: Path) -> list[Path]:
    """Return the model files in a folder that the user filled, [] for a folder that another source filled.

    A rule declares them as inputs, so that a changed file is checked again.
    """
    if find_record(folder) != FROM_USER:
        return []
    try:
        return [path for path in kind_of(folder).files(folder) if path.exists()]
    except UserError:
        return []  # it is of no kind, or has no mod files; the rule itself says so
