"""Terms and papers follow the models of the units."""

import pandas as pd
import pytest

from allenrec.recordings.formats.attribution import PAPERS, TERMS, papers_of, terms_of

OWN = {"licence": "CC BY 4.0", "citation": "Somebody 2020, doi:10.1/a-b; Another 2021, doi:10.1/c"}
NONE = {"licence": "", "citation": ""}


@pytest.mark.parametrize(
    ("units", "terms", "papers"),
    [
        ([{"line": "Rorb"}], TERMS, [*PAPERS]),
        ([], TERMS, [*PAPERS]),
        ([NONE], TERMS, [*PAPERS]),
        ([OWN, OWN], f"Made from models under CC BY 4.0: {OWN['citation']}.", ["doi:10.1/a-b", "doi:10.1/c"]),
        ([OWN, NONE], f"{TERMS} Made from models under CC BY 4.0: {OWN['citation']}.", [*PAPERS, "doi:10.1/a-b", "doi:10.1/c"]),
        ([OWN | {"citation": "a thesis"}], "Made from models under CC BY 4.0: a thesis.", ["a thesis"]),
    ],
)
def test_terms_and_papers(units, terms, papers):
    table = pd.DataFrame(units)
    assert (terms_of(table), papers_of(table)) == (terms, papers)
