"""A library as the `Templates` of SpikeInterface, in a zarr folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allenrec.common.compression import one_compressing_thread
from allenrec.common.errors import UserError
from allenrec.common.files import AnyPath, folder_built_beside
from allenrec.common.processes import describe_exception

if TYPE_CHECKING:
    from .library_file import Library


def write_templates(path: AnyPath, library: Library) -> None:
    """Write the templates of a library as a folder that `spikeinterface.core.Templates.from_zarr` opens.

    Templates of cells that drift are those at the centre of their paths. The ids of units are the rows of the library.

    Parameters
    ----------
    path : path
        The folder.
    library : Library

    Raises
    ------
    UserError
        If SpikeInterface cannot write zarr. Up to version 0.105 it cannot with Python 3.14.
    """
    try:
        with folder_built_beside(path) as temporary, one_compressing_thread():
            library.to_spikeinterface().to_zarr(temporary)
    except NotImplementedError as error:
        raise UserError(f"{path}: {describe_exception(error)}") from None
