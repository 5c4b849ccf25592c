"""What the figures show, in words: a text a figure, for the file beside it, the report and `snakemake --report`."""

from pathlib import Path

FOLDER = Path(__file__).parent


def caption(kind, name):
    """Return the caption of a figure; `kind` is cells, libraries, recordings or probes."""
    return (FOLDER / kind / f"{name}.rst").read_text(encoding="utf-8").strip()
