"""The web API of the Allen site: requests that are tried again when the fault may pass, files, and queries (RMA)."""

import zipfile
from dataclasses import dataclass
from urllib.parse import quote

import requests
import tenacity
from tqdm import tqdm

from .errors import UserError
from .models import KIND_OF_TEMPLATE

#: Of a model archive, which has about a megabyte
LARGEST_DOWNLOAD = 200 * 2**20

#: How many ids are asked for in one query: its address stays short, its answer small
IDS_AT_ONCE = 50

#: The site decodes these as they are
UNQUOTED = ":,[]$'()."


class NotFound(UserError):
    """The server says 404."""


class Refused(UserError):
    """The server understood a query and says no: status 200 and `success: false`."""


class _Passing(Exception):
    """A fault of the server or the line that may be gone at the next attempt."""


@dataclass(frozen=True)
class AllenApi:
    """Where the site is, and how patient to be with it.

    `url` of the API; `timeout`, how long the server may be silent, s; `retries`, further attempts after a server error (5xx),
    a broken connection or a time-out; `backoff`, the pause before the first of them, s, doubled before each one after it.
    A proxy set in the environment (`https_proxy`, `no_proxy`) is used.
    """

    url: str
    timeout: float
    retries: int
    backoff: float

    def address(self, path):
        """The whole address of a path on the site."""
        return f"{self.url.rstrip('/')}/{path}"

    def download_zip(self, path, target):
        """Save a zip archive of the site as the file `target`.

        Raises
        ------
        NotFound
            If the site does not have it.
        UserError
            If the server does not send it whole, or sends something else.
        """
        address = self.address(path)
        self._patiently(address, lambda: _download_zip(address, target, self.timeout))

    def query(self, text):
        """Return all rows (dicts) that answer a query, from as many pages as the server makes of them.

        Raises
        ------
        Refused
            With what the server says.
        UserError
            If the server does not answer, or with something else than rows.
        """
        rows, known = [], set()
        while True:
            stages = f"{text},rma::options[num_rows$eq'all'][start_row$eq{len(rows)}]"
            answer = self._answer(f"api/v2/data/query.json?q={quote(stages, safe=UNQUOTED)}")
            new = [row for row in answer["msg"] if repr(row) not in known]
            rows += new
            known.update(map(repr, new))
            # `total_rows` counts joined rows, so it may promise more than there is.
            if not new or not isinstance(answer.get("total_rows"), int) or answer["total_rows"] <= len(rows):
                return rows

    def _answer(self, path):
        address = self.address(path)
        response = self._patiently(self.url, lambda: _get(address, self.timeout))
        try:
            answer = response.json()
        except ValueError:
            raise UserError(f"{self.url}: the server sent something else than JSON to a query") from None
        if not isinstance(answer, dict) or not answer.get("success"):
            said = answer.get("msg") if isinstance(answer, dict) else answer
            raise Refused(f"{self.url}: the server refuses a query: {said or 'it says nothing'}")
        if not isinstance(answer.get("msg"), list) or not all(isinstance(row, dict) for row in answer["msg"]):
            raise UserError(f"{self.url}: the server answers a query with something else than rows")
        return answer

    def _patiently(self, address, request):
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=tenacity.wait_exponential(multiplier=self.backoff, max=60),
            before_sleep=lambda state: print(f"{state.outcome.exception()}; trying again"),
        )
        try:
            return attempts(request)
        except tenacity.RetryError as error:
            raise UserError(f"{address}: {error.last_attempt.exception()}, {self.retries + 1} times over") from None

    def cells(self):
        """Return the table of recorded cells, a row (dict) each, with the columns of `ApiCellTypesSpecimenDetail`."""
        return self.query("model::ApiCellTypesSpecimenDetail")

    def models_of(self, specimen_ids):
        """Return the biophysical models of cells (the others are point neurons) as rows (dicts) in the order of their ids.

        A row has at least `id`, `specimen_id` and `neuronal_model_template_id`; where the site tells,
        `neuronal_model_runs` and the `ephys_sweeps` of the `specimen`, too.
        """
        wanted = [str(specimen) for specimen in specimen_ids]
        rows = []
        for start in tqdm(range(0, len(wanted), IDS_AT_ONCE), unit="query", disable=len(wanted) <= IDS_AT_ONCE):
            rows += self._models_of(wanted[start : start + IDS_AT_ONCE])
        usable = [
            row
            for row in rows
            if str(row.get("specimen_id")) in wanted
            and row.get("neuronal_model_template_id") in KIND_OF_TEMPLATE
            and "id" in row
        ]
        return sorted(usable, key=lambda row: row["id"])

    def _models_of(self, specimen_ids):
        templates = ",".join(map(str, sorted(KIND_OF_TEMPLATE, reverse=True)))
        query = (
            f"model::NeuronalModel,rma::criteria,[neuronal_model_template_id$in{templates}],"
            f"[specimen_id$in{','.join(specimen_ids)}]"
        )
        try:
            return self.query(f"{query},rma::include,neuronal_model_runs,specimen(ephys_sweeps)")
        except Refused:  # what is included is good to know, not needed
            return self.query(query)


def _get(address, timeout, **options):
    """Send a request; raise `_Passing` for what may pass, `NotFound` for 404 and a `UserError` for any other refusal."""
    try:
        response = requests.get(address, timeout=timeout, **options)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _Passing(_in_short(error)) from None
    except requests.RequestException as error:
        raise UserError(f"{address}: {_in_short(error)}") from None
    if response.status_code == 404:
        raise NotFound(f"{address}: the server answers 404 {response.reason}")
    if response.status_code >= 500:
        raise _Passing(f"the server answers {response.status_code} {response.reason}")
    if response.status_code >= 400:
        raise UserError(f"{address}: the server answers {response.status_code} {response.reason}")
    return response


def _download_zip(address, path, timeout):
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
