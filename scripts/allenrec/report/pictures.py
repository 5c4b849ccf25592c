"""The pictures of the report: those that lie in a folder of figures, with their captions, inside the page or linked from it."""

import base64
import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from allenrec.common.errors import not_valid
from allenrec.common.files import content_of, read_checked
from allenrec.figures.look import DOTS_PER_INCH
from allenrec.figures.nothing import reason_in
from allenrec.figures.register import pictures

#: The pixels of the page for an inch of a figure, so that letters have the same size in all figures
PAGE_PIXELS = 106
#: Width from which a figure is too wide for one of two columns, inches
WIDE = 6.8
#: The last part of a PNG file, with its checksum
END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"
#: Largest difference in height between two columns of figures, as a share of both together
UNEVEN = 0.2


@dataclass(frozen=True)
class Picture:
    """A figure on the page: its name, its heading, the content of `src`, its caption, and its size in pixels of the page.

    If it would be empty, `not_drawn` is the reason, and the page has a line in words instead.
    """

    name: str
    title: str
    src: str
    caption: str
    width: int
    height: int
    wide: bool = False
    not_drawn: str = ""


class Budget:
    """The room for pictures in a page. Pictures that do not fit are linked; `linked` counts them.

    Parameters
    ----------
    folder : path
        The folder of the page.
    room : int
        Bytes.
    """

    def __init__(self, folder: str | Path, room: int) -> None:
        self.folder, self.room, self.linked = folder, room, 0

    def source(self, path: Path) -> str:
        """Return the content of `src` for a picture: the picture itself or, if there is no room, its address."""
        size = path.stat().st_size * 4 // 3
        if size > self.room:
            self.linked += 1
            return self.link(path)
        self.room -= size
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")

    def link(self, path: Path) -> str:
        """Return the address of a file relative to the page."""
        return Path(os.path.relpath(path, self.folder)).as_posix()


def _size(path: Path) -> tuple[int, int]:
    """Return the width and the height of a picture, pixels; PNG has a checksum for each of its parts.

    Raises
    ------
    DamagedFile
        If the file is not what was written.
    """
    content = content_of(path, "picture")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            size = picture.size
            picture.verify()  # all parts but the last
        if not content.endswith(END_OF_PNG):
            raise ValueError("it does not end as a picture does")
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise not_valid(path, "picture", error) from None
    return size


def pictures_in(folder: Path, kind: str, budget: Budget) -> list[Picture]:
    """Return the pictures in a folder: those of the register in its order, then any others."""
    known, there = pictures(kind), {path.stem: path for path in sorted(folder.glob("*.png"))}
    names = [*(name for name in known if name in there), *(name for name in there if name not in known)]
    return without_holes([_picture(kind, there[name], budget) for name in names])


def pictures_of_cell(figures: Path, model: str, libraries: Sequence[str], budget: Budget) -> list[Picture]:
    """Return the pictures of a cell: its own and, from the fourth on, its action potential on each probe."""
    found = pictures_in(figures / "cells" / model, "cells", budget)
    on_probes = []
    for library in libraries:
        path = figures / "libraries" / library / "cells" / model / "mean_eap.png"
        if path.exists():
            where = f" on {library}" if len(libraries) > 1 else " on the probe"
            on_probes.append(_picture("eaps", path, budget, where))
    return [*found[:3], *on_probes, *found[3:]]


def without_holes(found: Sequence[Picture]) -> list[Picture]:
    """Return pictures for a page of two columns. Narrow ones become wide if their columns would end far from each other."""
    heights = [picture.height for picture in found if not picture.wide and not picture.not_drawn]
    total = sum(heights)
    uneven = min((abs(total - 2 * sum(heights[:n])) for n in range(len(heights))), default=0)
    return [replace(picture, wide=True) for picture in found] if uneven > UNEVEN * total else list(found)


def _picture(kind: str, path: Path, budget: Budget, where: str = "") -> Picture:
    """Return the picture in a PNG file; its title ends with `where`."""
    figure = pictures(kind).get(path.stem)
    title = (figure.title if figure else path.stem.replace("_", " ").capitalize()) + where
    width, height = _size(path)
    text = path.with_suffix(".txt")
    caption = read_checked(text, "caption").strip() if text.exists() else title
    if (reason := reason_in(caption)) is not None:
        return Picture(path.stem, title, "", caption, 0, 0, not_drawn=reason)
    width, height = (round(size * PAGE_PIXELS / DOTS_PER_INCH) for size in (width, height))
    return Picture(path.stem, title, budget.source(path), caption, width, height, wide=width > WIDE * PAGE_PIXELS)
