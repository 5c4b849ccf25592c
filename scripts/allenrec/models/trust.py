"""Consent to run a model that is code: hoc and Python files run with the rights of the user."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from allenrec.common.errors import UserError

from .metadata import METADATA
from .pinned import PINNED_MODELS


def model_digest(contents: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over the names and contents of all files of a model, without our own record in `model_metadata.json`.

    Parameters
    ----------
    contents : mapping
        The contents of the files by their names in the model folder.
    """
    digest = hashlib.sha256()
    for name in sorted(contents.keys() - {METADATA}):
        encoded = name.encode(errors="surrogateescape")
        digest.update(b"%d\0%s\0%d\0" % (len(encoded), encoded, len(contents[name])))
        digest.update(contents[name])
    return digest.hexdigest()


def require_consent(model_id: str, folder: str | Path, contents: Mapping[str, bytes], trusted: Mapping[str, str]) -> None:
    """Check that the user has consented to run the code of a model, as it is.

    No consent is needed for models of packages whose digests are known (`PINNED_MODELS`).

    Parameters
    ----------
    model_id : str
    folder : path
        The model folder, for the message.
    contents : mapping
        The contents of its files by their names in it.
    trusted : mapping
        `models.trusted` of the configuration: the digests by the ids of models.

    Raises
    ------
    UserError
        The message says what to write into the configuration.
    """
    digest = model_digest(contents)
    if digest in PINNED_MODELS.values() or trusted.get(model_id) == digest:
        return
    write = f"models: {{trusted: {{{model_id}: {digest}}}}}"
    if model_id in trusted:
        raise UserError(
            f"model {model_id}: {folder} is not what models.trusted consents to ({trusted[model_id][:12]}…): a file was "
            f"changed, added or removed. Its code would run with your rights: read it, then write `{write}` into the "
            f"configuration"
        )
    raise UserError(
        f"model {model_id}: {folder} holds code, which would run with your rights: read it, then write `{write}` into the "
        f"configuration"
    )
