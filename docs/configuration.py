"""Write config/schema.json and the tables of config/README.md from the settings; `make docs` runs it.

With `--check` nothing is written; it fails if a file is not as it would be written.

Between the markers of the README stand the tables; what is around them is written by hand.
"""

import json
import sys
from pathlib import Path
from typing import get_args, get_origin

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from pydantic_core import PydanticUndefined  # noqa: E402

from allenrec.settings import Settings  # noqa: E402
from allenrec.settings.base import block_in  # noqa: E402

#: Words that a description may begin with
UNITS = set("s ms µm µV mV nA Hz S/m spikes runs templates steps points poses units bits counts".split())
BEGIN, END = "<!-- tables: made by `make docs` -->", "<!-- end of tables -->"


def schema():
    """The JSON schema of the configuration, for editors."""
    return json.dumps(Settings.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def tables(block=Settings, name=""):
    """The keys of a block, its own first, then those of the blocks in it, as Markdown."""
    rows, below = [], []
    for key, field in block.model_fields.items():
        annotation = field.annotation
        inner = block_in(annotation)
        if get_origin(inner) is dict:
            inner = (get_args(inner)[1], f"{key}.<name>")
        elif inner:
            inner = (inner, f"{name}.{key}".lstrip("."))
        if inner:
            below.append(tables(*inner))
        default = "" if inner else default_text(field)
        allowed = "" if inner else allowed_text(block.model_json_schema()["properties"][key])
        rows.append(f"| `{key}` | {unit(field.description)} | {default} | {allowed} | {meaning(field.description)} |")
    title = f"### `{name}`" if name else "### Top level"
    head = [title, "", "| key | unit | default | allowed | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", *below])


def default_text(field):
    """A default as it would stand in YAML."""
    if field.default is PydanticUndefined:
        return "required"
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"`{json.dumps(default)}`"


def allowed_text(schema):
    """What a JSON schema allows, in words."""
    if not schema:
        return "any value"
    if "anyOf" in schema:
        return " or ".join(allowed_text(part) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"{len(schema['prefixItems'])} values, each {allowed_text(schema['prefixItems'][0])}"
        return f"list of {allowed_text(schema['items'])}"
    if schema.get("type") == "object":
        inner = schema["additionalProperties"]
        return "block" if inner is True else f"block of {allowed_text(inner)}"
    bounds = {"exclusiveMinimum": "> {:g}", "minimum": "≥ {:g}", "exclusiveMaximum": "< {:g}", "maximum": "≤ {:g}"}
    limits = [text.format(schema[bound]) for bound, text in bounds.items() if bound in schema]
    if "{64}" in schema.get("pattern", ""):
        return "SHA-256"
    names = {"null": "`null`", "boolean": "`true`, `false`", "string": "text", "integer": "whole number", "number": "number"}
    return " ".join([names[schema["type"]], ", ".join(limits)]).strip()


def unit(description):
    """The unit that a description begins with, as in "µm. Where ..."; empty if it begins with a sentence."""
    first = description.split(". ")[0]
    return first if first in UNITS else ""


def meaning(description):
    """A description without its unit."""
    return description.removeprefix(f"{unit(description)}. ") if unit(description) else description


def readme():
    """config/README.md with its tables made anew."""
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    made = {"schema.json": schema(), "README.md": readme()}
    stale = [name for name, text in made.items() if (ROOT / "config" / name).read_text(encoding="utf-8") != text]
    if sys.argv[1:] == ["--check"]:
        if stale:
            files = " and ".join(f"config/{name}" for name in stale)
            sys.exit(f"{files} are not those of the settings; `python docs/configuration.py` writes them")
    else:
        for name in stale:
            (ROOT / "config" / name).write_text(made[name], encoding="utf-8")
