"""The Allen Cell Types Database, over the web API that its download links use."""

import datetime
import shutil
import stat
import zipfile
from pathlib import PurePosixPath

import requests
import tenacity
from tqdm import tqdm

from ..errors import UserError
from ..files import folder_built_beside, sha256, write_json
from ..models import FIT, METADATA, MODFILES, MORPHOLOGY, read_metadata, read_model

CITATION = (
    "Allen Institute for Brain Science, Allen Cell Types Database, celltypes.brain-map.org; perisomatic models: Gouwens et al. "
    "2018, Nature Communications 9:710; all-active models: Nandi et al. 2022, Cell Reports 40:111176"
)

#: Templates of biophysical models; all others are point neurons
BIOPHYSICAL = {329230710: "perisomatic", 491455321: "all active"}

#: An archive has about a megabyte; nothing of this size is one
LARGEST_DOWNLOAD = 200 * 2**20
LARGEST_CONTENT = 500 * 2**20


class _Passing(Exception):
    """A fault of the server or the line that may be gone at the next attempt."""


class _NotFound(Exception):
    """The server says 404."""


def fetch(model_id, folder, *, url, timeout, retries, backoff):
    """Fill `folder` with a model of the Allen site; return its record.

    Parameters
    ----------
    model_id : str
    folder : pathlib.Path
    url : str
        Of the API.
    timeout : float
        How long the server may be silent, s.
    retries : int
        Further attempts after a server error (5xx), a broken connection or a time-out.
    backoff : float
        Before the first further attempt, s; doubled before each one after it.

    Raises
    ------
    UserError
        One message: there is no such model, the server does not answer well, or what it sent is not a sound archive.
    """
    address = f"{url.rstrip('/')}/neuronal_model/download/{model_id}"
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_Passing),
        stop=tenacity.stop_after_attempt(retries + 1),
        wait=tenacity.wait_exponential(multiplier=backoff, max=60),
        before_sleep=lambda state: print(f"{state.outcome.exception()}; trying again"),
    )
    with folder_built_beside(folder) as temporary:
        archive = temporary / "archive.zip"
        try:
            attempts(_download, address, archive, timeout)
        except tenacity.RetryError as error:
            raise UserError(
                f"model {model_id}: {address}: {error.last_attempt.exception()}, {retries + 1} times over"
            ) from None
        except _NotFound:
            raise UserError(_what_the_id_is(model_id, url, timeout)) from None
        record = {
            "source": "allen",
            "url": address,
            "date": datetime.date.today().isoformat(),
            "sha256": sha256(archive),
            "citation": CITATION,
        }
        _unpack(model_id, archive, temporary)
        archive.unlink()
        read_model(temporary, model_id)
        # With its record from the first moment: a run that is killed here must not leave a folder of unknown origin.
        write_json(temporary / METADATA, read_metadata(temporary) | {"allenrec": record})
    return record


def _get(address, timeout, **options):
    """Send a request; raise `_Passing` for what may pass, `_NotFound` for 404 and a `UserError` for any other refusal."""
    try:
        response = requests.get(address, timeout=timeout, **options)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _Passing(_in_short(error)) from None
    except requests.RequestException as error:
        raise UserError(f"{address}: {_in_short(error)}") from None
    if response.status_code == 404:
        raise _NotFound
    if response.status_code >= 500:
        raise _Passing(f"the server answers {response.status_code} {response.reason}")
    if response.status_code >= 400:
        raise UserError(f"{address}: the server answers {response.status_code} {response.reason}")
    return response


def _download(address, path, timeout):
    with _get(address, timeout, stream=True) as response:
        total = int(response.headers.get("Content-Length", 0)) or None
        try:
            with open(path, "wb") as file, tqdm(total=total, unit="B", unit_scale=True) as bar:
                for part in response.iter_content(2**16):
                    bar.update(file.write(part))
                    if file.tell() > LARGEST_DOWNLOAD:
                        raise UserError(f"{address}: more than {LARGEST_DOWNLOAD >> 20} MB; that is not a model archive")
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _Passing(_in_short(error)) from None
        if not zipfile.is_zipfile(path):
            kind = response.headers.get("Content-Type", "something")
            raise UserError(f"{address}: the server sent {kind} ({path.stat().st_size} bytes), not a zip archive")


def _in_short(error):
    """The innermost reason of a chain of network errors, on one line."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())


def _unpack(model_id, archive, folder):
    """Extract what belongs to a model, under the names of today's archives."""

    def fault(text):
        return UserError(f"model {model_id}: the archive {text}")

    with zipfile.ZipFile(archive) as zipped:
        members = [member for member in zipped.infolist() if not member.is_dir()]
        if sum(member.file_size for member in members) > LARGEST_CONTENT:
            raise fault(f"would unpack to more than {LARGEST_CONTENT >> 20} MB")
        for member in members:
            path = PurePosixPath(member.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in member.filename:
                raise fault(f"has a member outside of its folder, {member.filename!r}")
            if stat.S_ISLNK(member.external_attr >> 16):
                raise fault(f"has a symbolic link, {member.filename!r}")
        targets = {_target(PurePosixPath(member.filename)): member for member in members}
        if FIT not in targets and any("neuron_config" in member.filename for member in members):
            raise fault("is that of a GLIF point neuron; it has no morphology. Choose a biophysical model of the cell")
        for name in (FIT, MORPHOLOGY):
            if name not in targets:
                raise fault(f"has no {name}")
        if not any(target and target.startswith(f"{MODFILES}/") for target in targets):
            raise fault(f"has no mod files in {MODFILES}/")
        for target, member in targets.items():
            if target is not None:
                (folder / target).parent.mkdir(exist_ok=True)
                try:
                    with zipped.open(member) as source, open(folder / target, "wb") as file:
                        shutil.copyfileobj(source, file)
                except (zipfile.BadZipFile, EOFError) as error:
                    raise fault(f"is damaged: {error}") from None


def _target(path):
    """Where a member of an archive goes, None if it is not needed. The archives of 2015 had other names."""
    name = path.name
    if path.parent.name == MODFILES and path.suffix == ".mod":
        return f"{MODFILES}/{name}"
    if len(path.parts) > 1:
        return None
    if name == FIT or name.endswith("_fit.json"):
        return FIT
    if name == MORPHOLOGY or (name.endswith("_m.swc") and not name.endswith("_marker_m.swc")):
        return MORPHOLOGY
    return {METADATA: METADATA, "neuronal_model.json": METADATA, "ephys_sweeps.json": "ephys_sweeps.json"}.get(name)


def _what_the_id_is(model_id, url, timeout):
    """The message for an id that is no model: perhaps it is a cell, and then which models it has."""
    message = f"model {model_id}: the Allen site has no model with this id"
    query = (
        "model::NeuronalModel,rma::criteria,[neuronal_model_template_id$in" + ",".join(map(str, BIOPHYSICAL)) + "],"
        f"[specimen_id$in{model_id}],rma::options[num_rows$eq'all'][count$eqfalse]"
    )
    try:
        rows = rma_query(url, query, timeout)
    except (_Passing, _NotFound, UserError):
        return message
    models = ", ".join(f"{row['id']} ({BIOPHYSICAL.get(row['neuronal_model_template_id'], 'other')})" for row in rows)
    return f"{message}; it is the id of a cell, whose models are {models}" if models else message


def rma_query(url, query, timeout):
    """Return the rows of a query to the API.

    Raises
    ------
    UserError
        If the server refuses it; it does so with status 200 and `success: false`.
    """
    response = _get(f"{url.rstrip('/')}/api/v2/data/query.json", timeout, params={"q": query})
    try:
        answer = response.json()
    except ValueError:
        raise UserError(f"{url}: the server sent something else than JSON to a query") from None
    if not answer.get("success"):
        raise UserError(f"{url}: the server refuses a query: {answer.get('msg')}")
    return answer["msg"]
