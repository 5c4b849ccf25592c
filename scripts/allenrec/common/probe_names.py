"""The forms of probe names, which can be checked without importing the packages that hold probes.

`allenrec.settings` checks names with this register; `allenrec.probes.sources` has a reader for each entry.
"""

import importlib.util
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def meautility_files() -> dict[str, Path]:
    """Return the files of MEAutility's probes by name, without importing it, because the Snakefile needs the names at every
    start."""
    package = importlib.util.find_spec("MEAutility")
    folders = package.submodule_search_locations if package else None
    paths = [path for folder in folders or () for path in Path(folder, "electrodes").glob("*.y*ml")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


@dataclass(frozen=True)
class ProbeSource:
    """One source of probes, and the names that it understands.

    `form` says in words what its names look like. A name belongs to the source if it ends in one of `suffixes` (a file), is one
    of `names()`, or matches the regular expression `pattern`.
    """

    form: str
    suffixes: tuple[str, ...] = ()
    names: Callable[[], Iterable[str]] = list
    pattern: str | None = None

    def understands(self, probe: str) -> bool:
        """Return whether a name belongs to this source."""
        return (
            probe.lower().endswith(self.suffixes)
            or probe in self.names()
            or (self.pattern is not None and re.fullmatch(self.pattern, probe) is not None)
        )


#: The beginning of the name of the probe of a recording, `recording:path`
RECORDING = "recording:"


def name_of_recording(path: str, extractor: str | None, arguments: Mapping[str, Any]) -> str:
    """Return the name of the probe of a recording; see `open_recording` for the parameters."""
    options = {"extractor": extractor, "arguments": dict(arguments)}
    return f"{RECORDING}{path}" + (f"?{json.dumps(options)}" if extractor is not None else "")


def recording_of(probe: str) -> tuple[str, str | None, dict[str, Any]] | None:
    """Return path, extractor and its arguments from the name of the probe of a recording; None for other probes."""
    if not probe.startswith(RECORDING):
        return None
    path, found, options = probe.removeprefix(RECORDING).partition("?{")
    values = json.loads("{" + options) if found else {"extractor": None, "arguments": {}}
    return path, values["extractor"], values["arguments"]


PROBE_SOURCES = {
    "recording": ProbeSource("`{recording: path}`, the probe of a recording", pattern=rf"(?s){RECORDING}.+"),
    "MEAutility": ProbeSource("the name of a MEAutility probe", names=meautility_files),
    "MEAutility file": ProbeSource("a file `.yaml` of MEAutility", suffixes=(".yaml", ".yml")),
    "probeinterface file": ProbeSource("a file `.json` of probeinterface", suffixes=(".json",)),
    "probeinterface library": ProbeSource("`manufacturer/probe` of probeinterface's library", pattern=r"[\w+-]+/[\w+-]+"),
}
#: The forms of all names, in words
PROBE_FORMS = ", or ".join(source.form for source in PROBE_SOURCES.values())
#: Suffixes of files that hold a probe
PROBE_FILES = tuple(suffix for source in PROBE_SOURCES.values() for suffix in source.suffixes)


def is_probe_file(probe: str) -> bool:
    """Return whether a name is that of a file that holds a probe."""
    return probe.lower().endswith(PROBE_FILES) and not probe.startswith(RECORDING)


def source_of(probe: str) -> str | None:
    """Return the key in `PROBE_SOURCES` of the source that understands a name, or None."""
    return next((key for key, source in PROBE_SOURCES.items() if source.understands(probe)), None)


def probe_names() -> list[str]:
    """Return the names of all probes that need neither a file nor the web."""
    return [name for source in PROBE_SOURCES.values() for name in source.names()]
