"""The section of the report on spike sorters: what an evaluation of this run found, if there is one."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from allenrec.common.errors import not_valid
from allenrec.common.files import read_checked
from allenrec.evaluation.tables import SNR_EXPECTED, WELL_DETECTED

from .columns import SORTER_NOTES, SORTER_NUMBERS, SORTER_TEXTS, filled
from .pictures import Budget, Picture, pictures_in

#: Columns that are known only of a sorter that ended well
COUNTED = tuple(name for name in SORTER_NUMBERS if name != "duration_s")


@dataclass(frozen=True)
class StudyFigures:
    """The name of a study that was evaluated, and its figures."""

    name: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Sorters:
    """The results of spike sorters: a row for each sorter and recording, the columns that are shown, and the studies."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    studies: list[StudyFigures] = field(default_factory=list)
    snr_expected: float = SNR_EXPECTED
    well_detected: float = WELL_DETECTED

    @property
    def texts(self) -> dict[str, str]:
        """The text columns that have something to show, with their headings."""
        return filled(SORTER_TEXTS, self.rows)

    @property
    def numbers(self) -> dict[str, str]:
        """The number columns that have something to show, with their headings."""
        return filled(SORTER_NUMBERS, self.rows)

    @property
    def notes(self) -> dict[str, str]:
        """The columns of notes that have something to show, with their headings."""
        return filled(SORTER_NOTES, self.rows)


def sorter_results(results: Path, recordings: Sequence[str], budget: Budget) -> Sorters:
    """Return what the evaluation of these recordings found, from the files of the run; nothing if there was no evaluation.

    Raises
    ------
    DamagedFile
        If the summary is damaged.
    """
    path, rows = results / "evaluation" / "summary.csv", []
    if path.exists():
        text = io.StringIO(read_checked(path, "evaluation"))
        numbers = {name: [""] for name in SORTER_NUMBERS}
        texts = dict.fromkeys([*SORTER_TEXTS, *SORTER_NOTES], str)
        try:
            table = pd.read_csv(text, dtype=texts, keep_default_na=False, na_values=numbers)
            table = table[table["recording"].isin(recordings)]
        except (ValueError, KeyError) as error:
            raise not_valid(path, "evaluation", error) from None
        rows = [_row({str(name): value for name, value in row.items()}) for row in table.to_dict("records")]
    tables = sorted((results / "evaluation" / "studies").glob("*.csv"))
    figures = results / "figures" / "studies"
    studies = [StudyFigures(table.stem, pictures_in(figures / table.stem, "studies", budget)) for table in tables]
    return Sorters(rows, studies)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is shown: a sorter that failed has counted nothing, so its numbers are left out."""
    return row | dict.fromkeys(COUNTED, None) if row.get("status") == "failed" else row
