"""The source `allen`: the Allen Cell Types Database, over the web API that its download links use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from allenrec.common.errors import UserError

from ..metadata import KIND_OF_TEMPLATE
from .archives import fetch_archive

if TYPE_CHECKING:
    from allenrec.settings.models import Models

    from .allen_api import AllenApi

CITATION = (
    "Allen Institute for Brain Science, Allen Cell Types Database, celltypes.brain-map.org; perisomatic models: Gouwens et al. "
    "2018, Nature Communications 9:710; all-active models: Nandi et al. 2022, Cell Reports 40:111176"
)


def fetch(model_id: str, folder: Path, settings: Models) -> dict[str, str]:
    """Fill a folder with a model of the Allen site; return its record.

    Parameters
    ----------
    model_id : str
    folder : pathlib.Path
    settings : allenrec.settings.models.Models
        `allen` says where the site is.

    Raises
    ------
    Unavailable
        If the server cannot be reached or does not send the archive whole.
    UserError
        If there is no such model, or what the server sent is not a valid archive.
    """
    from .allen_api import AllenApi, NotFound  # loads requests, which the Snakefile does not need

    api = AllenApi(settings.allen)
    path = f"neuronal_model/download/{model_id}"

    def download(target: Path) -> None:
        try:
            api.download_zip(path, target)
        except NotFound:
            raise UserError(_explain_unknown_id(model_id, api)) from None
        except UserError as error:
            raise type(error)(f"model {model_id}: {error}") from None

    return fetch_archive(model_id, folder, "allen", api.address(path), CITATION, download)


def _explain_unknown_id(model_id: str, api: AllenApi) -> str:
    """Return the message for an id that is no model: it may be the id of a cell, and then the message lists its models."""
    message = f"model {model_id}: the Allen site has no model with this id"
    try:
        rows = api.models_of([model_id])
    except UserError:
        return message
    models = ", ".join(f"{row['id']} ({KIND_OF_TEMPLATE[row['neuronal_model_template_id']]})" for row in rows)
    return f"{message}; it is the id of a cell, whose models are {models}" if models else message
