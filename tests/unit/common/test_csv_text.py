"""Text of tables: what a spreadsheet would compute is data, and what is read back is what was written."""

import numpy as np
import pandas as pd
import pytest

from allenrec.common.csv_text import as_data, from_data, parse_table, table_from_data
from allenrec.common.files import write_table

FORMULAS = [
    *("=1+1", '=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "\t=1", "-", "--1", "+", "-x", "=-1.5", "-1.5 =x"),
    *("'=x", "''-x"),  # text that looks like what is written
]
PLAIN = ["-1.5", "+3", "-2e-3", "-.5", "-inf", "nan", "spiny", "L5-PC", "a=b", "'quoted'", "'", "", "5", " =1", "µ"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_gets_an_apostrophe_and_loses_it_again(text):
    assert as_data(text) == f"'{text}" and from_data(as_data(text)) == text


@pytest.mark.parametrize("value", [*PLAIN, -1.5, 3, None, np.nan, True])
def test_everything_else_stays(value):
    assert as_data(value) is value and from_data(value) is value


def test_written_table_holds_no_formula_and_reads_back(tmp_path):
    table = pd.DataFrame({"cell_type": FORMULAS, "=name": -1.5, "n": range(len(FORMULAS)), "flag": True})
    write_table(tmp_path / "a.csv", table)
    raw = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    cells = [*raw.columns, *raw.to_numpy().ravel()]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell != "-1.5"]
    back = table_from_data(pd.read_csv(tmp_path / "a.csv", keep_default_na=False))
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
    assert list(table.columns) == ["cell_type", "=name", "n", "flag"], "the table itself is not changed"


def test_numbers_in_text_columns_stay_numbers(tmp_path):
    """A column of the cell table is text, and pandas reads it as numbers."""
    write_table(tmp_path / "a.csv", pd.DataFrame({"depth": ["-1.5", "+2", "", "-inf"]}, dtype=object))
    assert pd.read_csv(tmp_path / "a.csv")["depth"].tolist()[:2] == [-1.5, 2]


@pytest.mark.parametrize(
    "values",
    [
        *(["01", "1"], ["1e5", "100000"], ["1.0", "1.00"], ["nan", "a"], ["NA", "None"], ["True", "true"], ["0x1", "1_0"]),
        *(["=1", "-x"], ["+1", "1"], ["inf", "Infinity"], ["", "x"], [" 1", "1"], ["٣", "3"]),
        *([1, 20], [0.5, -1e-9], [1e300, np.nan], [np.inf, 1.0], [True, False], [473863510, 10**12]),
    ],
)
def test_our_tables_are_read_as_they_were_written(values, tmp_path):
    """Names that differ stay different, whatever numbers they look like."""
    table = pd.DataFrame({"name": values, "place": ["a", "b"]})
    write_table(tmp_path / "a.csv", table)
    pd.testing.assert_frame_equal(parse_table((tmp_path / "a.csv").read_text()), table, check_dtype=False)
