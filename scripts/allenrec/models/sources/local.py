"""Models that are there already: unzipped by a person, or left by another source at an earlier run."""

import json

from ..archive import METADATA

#: A folder without a record of ours was filled by a person
A_PERSON = {"source": "local"}


def find(folder):
    """Return the record of where the content of a model folder comes from, None if there is nothing in it."""
    # Snakemake makes the folders of a rule's outputs before the rule runs.
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    try:
        record = json.loads((folder / METADATA).read_text(encoding="utf-8"))["allenrec"]
    except (OSError, ValueError, KeyError, TypeError):
        return A_PERSON
    if not isinstance(record, dict) or not isinstance(record.get("source"), str):
        return A_PERSON
    return {key: value for key, value in record.items() if key != "files"}
