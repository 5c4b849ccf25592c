"""Values that nobody means, and changes of plain values at any place."""

import copy
import string

from hypothesis import strategies as st

from allenrec.common.errors import has_control_characters

NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([10**9, -(10**9), 2**63, 10**30, 10**400, 10**4000]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1e-300, 1e300, 1e-12, 1e12, 1e39, 1e305]),
)
WORDS = st.sampled_from(
    [
        *(
            "none",
            "null",
            "true",
            "no",
            "on",
            "~",
            "1:30",
            "010",
            "3e-1",
            "1e5",
            "0x10",
            ".inf",
            "nan",
            "=1+1",
            "-1",
            "@x",
            "<!--",
        ),
        *(
            "../..",
            "/",
            "a/b",
            "\0",
            "a\nb",
            "\ud800",
            "é",
            "{lib}",
            "*",
            "",
            " ",
            "x" * 300,
            "x" * 5000,
            "9" * 4300,
            "lib",
            "spiny",
        ),
        *("tetrode", "Neuronexus-32", "x.json", "x.csv", "poisson", "auto", "file", "mean", "far-neurons", "electrode"),
    ]
)
TEXT = st.one_of(WORDS, st.text(max_size=20), st.text(string.printable, max_size=8))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


def paths(value, path=()):
    """Yield the path of each value in plain values."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


@st.composite
def changed(draw, plain, values=VALUES):
    """Plain values with one to three changes: a value replaced, taken out, or put in under another name."""
    result = copy.deepcopy(plain)
    for _ in range(draw(st.integers(1, 3))):
        *parents, key = draw(st.sampled_from(list(paths(result)) or [("x",)]))
        place = result
        for part in parents:
            place = place[part]
        kind = draw(st.sampled_from(["replace", "replace", "replace", "delete", "rename"]))
        if kind == "replace":
            place[key] = draw(values)
        elif isinstance(place, dict) and key in place:
            value = place.pop(key)
            if kind == "rename":
                place[draw(st.one_of(TEXT, st.integers(-1, 3), st.none(), st.booleans()))] = value
    return result


@st.composite
def edited(draw, text):
    """A text with some pieces replaced, taken out, doubled or put elsewhere."""
    for _ in range(draw(st.integers(1, 4))):
        first, second = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        second = min(second, first + draw(st.integers(0, 60)))
        piece = draw(
            st.one_of(
                TEXT,
                st.sampled_from([text[first:second] * 2, "&a ", "*a", "[", "{", ": ", "\t", "- ", "!!int ", "---\n", "<<: *a"]),
            )
        )
        text = text[:first] + piece + text[second:]
    return text


def is_one_short_line(error, most=2500):
    """Whether a message can be read: one line, which repeats no long value."""
    text = str(error)
    return len(text.splitlines()) == 1 and len(text) <= most and not has_control_characters(text)
