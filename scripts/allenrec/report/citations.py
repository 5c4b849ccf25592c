"""The papers and data that results rest on, from the references of CITATION.cff, as text and as BibTeX."""

import re
import unicodedata

import yaml

#: Stands for the authors after those who are named, in CITATION.cff as in BibTeX
OTHERS = {"name": "others"}
#: Of a longer list, how many authors are named in text
AUTHORS_NAMED = 3
#: BibTeX's types for those of CITATION.cff
BIBTEX_TYPES = {"article": "article", "book": "book"}


def read_references(path):
    """Return the references of a CITATION.cff, as dicts."""
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)["references"]


def needed(references, *, kinds, sources):
    """Return the references that a run has to cite.

    Each reference may say in its `scope` when it is needed: for a kind of model ("perisomatic models") or a source of models
    ("models from bmtk"); without a scope it always is.

    Parameters
    ----------
    references : list of dict
    kinds : set of str
        Of the models: "perisomatic", "all active".
    sources : set of str
        Of the models: "bmtk", "allen", "local".
    """
    used = {f"{kind} models" for kind in kinds} | {f"models from {source}" for source in sources}
    return [reference for reference in references if reference.get("scope", "") in used | {""}]


def as_text(reference):
    """Return a reference as a line of text: authors, title, where, year, address."""
    people = [_person(author) for author in reference["authors"]]
    named = ", ".join(people[:AUTHORS_NAMED]) + ", et al" * (len(people) > AUTHORS_NAMED)
    place = reference.get("journal") or _name(reference.get("publisher")) or ""
    volume = ", ".join(str(reference[key]) for key in ("volume", "start") if key in reference)
    where = " ".join(part for part in (place, volume) if part)
    year = f"({reference['year']})" if "year" in reference else ""
    rest = " ".join(part for part in (where, year) if part)
    parts = (named, reference["title"], rest, _address(reference))
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def as_bibtex(reference):
    """Return a reference as an entry of BibTeX, in UTF-8 as BibLaTeX reads it."""
    kind = BIBTEX_TYPES.get(reference["type"], "misc")
    fields = {
        "title": f"{{{reference['title']}}}",
        "author": " and ".join(_bibtex_person(author) for author in reference["authors"]),
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


def bibtex_key(reference):
    """Return the first author's family name, the year, and the first long word of the title: "gouwens2018systematic"."""
    first = reference["authors"][0]
    words = re.findall(r"\w{4,}", reference["title"])
    parts = (first.get("family-names") or first["name"].split()[0], str(reference.get("year", "")), words[0])
    plain = unicodedata.normalize("NFKD", "".join(parts)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain.lower())


def _person(author):
    if "name" in author:
        return author["name"]
    initials = "".join(name[0] for name in re.split(r"[\s-]+", author.get("given-names", "")) if name)
    return f"{author['family-names']} {initials}".strip()


def _bibtex_person(author):
    if author == OTHERS:
        return author["name"]
    return f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"


def _name(entity):
    return entity["name"] if entity else None


def _address(reference):
    return f"https://doi.org/{reference['doi']}" if "doi" in reference else reference.get("url", "")
