"""The papers and data behind the results of a run: the references of CITATION.cff as text and as BibTeX."""

import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml

#: A reference of CITATION.cff, as it stands there
Reference = dict[str, Any]

#: The author that stands for all further authors, in CITATION.cff as in BibTeX
OTHERS = {"name": "others"}
#: Maximum number of authors that are named in text
AUTHORS_NAMED = 3
#: Types of references in BibTeX, by their types in CITATION.cff
BIBTEX_TYPES = {"article": "article", "book": "book"}


def read_references(path: str | Path) -> list[Reference]:
    """Return the references of a CITATION.cff."""
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)["references"]


def needed(references: list[Reference], *, kinds: set[str], sources: set[str]) -> list[Reference]:
    """Return the references that a run has to cite.

    A reference may say in its `scope` when it is needed: for a kind of model ("perisomatic models") or a source of models
    ("models from bmtk"). A reference without a scope is always needed.

    Parameters
    ----------
    references : list of dict
    kinds : set of str
        The kinds of the models: "perisomatic", "all active".
    sources : set of str
        The sources of the models: "bmtk", "allen", "local".
    """
    used = {f"{kind} models" for kind in kinds} | {f"models from {source}" for source in sources}
    return [reference for reference in references if reference.get("scope", "") in used | {""}]


def as_text(reference: Reference) -> str:
    """Return a reference as a line of text: authors, title, journal or publisher, year, and web address."""
    authors = [_author(author) for author in reference["authors"]]
    named = ", ".join(authors[:AUTHORS_NAMED]) + ", et al" * (len(authors) > AUTHORS_NAMED)
    place = reference.get("journal") or _name(reference.get("publisher")) or ""
    volume = ", ".join(str(reference[key]) for key in ("volume", "start") if key in reference)
    where = " ".join(part for part in (place, volume) if part)
    year = f"({reference['year']})" if "year" in reference else ""
    rest = " ".join(part for part in (where, year) if part)
    parts = (named, reference["title"], rest, _web_address(reference))
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def as_bibtex(reference: Reference) -> str:
    """Return a reference as an entry of BibTeX, in UTF-8 as BibLaTeX reads it."""
    kind = BIBTEX_TYPES.get(reference["type"], "misc")
    fields = {
        "title": f"{{{reference['title']}}}",
        "author": " and ".join(_bibtex_author(author) for author in reference["authors"]),
        "journal": reference.get("journal"),
        "publisher": _name(reference.get("publisher")),
        "volume": reference.get("volume"),
        "pages": reference.get("start"),
        "year": reference.get("year"),
        "doi": reference.get("doi"),
        "url": reference.get("url"),
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return "@" + kind + "{" + bibtex_key(reference) + ",\n" + ",\n".join(lines) + "\n}"


def bibtex_key(reference: Reference) -> str:
    """Return the key of a reference: family name of the first author, year, first long word of the title.

    For example "gouwens2018systematic".
    """
    first = reference["authors"][0]
    words = re.findall(r"\w{4,}", reference["title"])
    parts = (first.get("family-names") or first["name"].split()[0], str(reference.get("year", "")), words[0])
    plain = unicodedata.normalize("NFKD", "".join(parts)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def _author(author: dict[str, str]) -> str:
    if "name" in author:
        return author["name"]
    initials = "".join(name[0] for name in re.split(r"[\s-]+", author.get("given-names", "")) if name)
    return f"{author['family-names']} {initials}".strip()


def _bibtex_author(author: dict[str, str]) -> str:
    if author == OTHERS:
        return author["name"]
    return f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"


def _name(entity: dict[str, str] | None) -> str | None:
    return entity["name"] if entity else None


def _web_address(reference: Reference) -> str:
    return f"https://doi.org/{reference['doi']}" if "doi" in reference else reference.get("url", "")
