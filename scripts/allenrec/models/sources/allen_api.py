"""The web API of the Allen site: downloads and queries (RMA); requests are repeated after temporary errors."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import tenacity
from tqdm import tqdm

from allenrec.common.errors import Unavailable, UserError

from ..metadata import KIND_OF_TEMPLATE
from .http_client import NotFound as NotFound  # this module's users catch it
from .http_client import TemporaryError, quote_of_server, receive

if TYPE_CHECKING:
    from allenrec.settings.models import Allen

Answer = TypeVar("Answer")
#: A row of one of the site's tables, as its JSON has it
Row = dict[str, Any]

#: Largest size of a download, bytes; a model archive has about a megabyte
LARGEST_DOWNLOAD = 50 * 2**20

#: Largest size of an answer to a query, bytes; the table of all cells has 5 MB
LARGEST_ANSWER = 100 * 2**20

#: Number of ids in one query, which keeps its address short and the answer small
IDS_AT_ONCE = 50

#: Longest pause before a further attempt, s
LONGEST_PAUSE = 60

#: Characters of a query that are not percent-encoded, because the site reads them as they are
UNQUOTED = ":,[]$'()."


class Refused(UserError):
    """The server understands a query and refuses it: status 200 and `success: false`."""


@dataclass(frozen=True)
class AllenApi:
    """The Allen site, with the URL, login, time-out and retries of `models.allen` in the configuration.

    A request is repeated after a server error (5xx), a broken connection or a time-out, also where the connection breaks in
    the middle of an answer; `urllib3.util.Retry` would not repeat that. A proxy set in the environment (`https_proxy`,
    `no_proxy`) is used.
    """

    settings: Allen

    @property
    def url(self) -> str:
        """The address of the site."""
        return self.settings.url

    def address(self, path: str) -> str:
        """Return the whole address of a path on the site."""
        return f"{self.url.rstrip('/')}/{path}"

    def download_zip(self, path: str, target: Path) -> None:
        """Save a zip archive of the site as the file `target`.

        Raises
        ------
        NotFound
            If the site does not have it.
        Unavailable
            If the server does not send it whole, or sends something else, such as a page about maintenance.
        UserError
            If it is too large.
        """
        address = self.address(path)
        self._retry(address, lambda: self._download_zip(address, target))

    def query(self, text: str) -> list[Row]:
        """Return all rows that answer a query, from all pages of the answer.

        Raises
        ------
        Refused
            If the server refuses the query; the message quotes it.
        Unavailable
            If the server does not answer, or with something else than rows.
        """
        rows: list[Row] = []
        known: set[str] = set()
        while True:
            stages = f"{text},rma::options[num_rows$eq'all'][start_row$eq{len(rows)}]"
            answer = self._answer(f"api/v2/data/query.json?q={quote(stages, safe=UNQUOTED)}")
            new = [row for row in answer["msg"] if repr(row) not in known]
            rows += new
            known.update(map(repr, new))
            # `total_rows` counts joined rows, so it may promise more than there is.
            if not new or not isinstance(answer.get("total_rows"), int) or answer["total_rows"] <= len(rows):
                return rows

    def _answer(self, path: str) -> dict[str, Any]:
        address = self.address(path)
        content = self._retry(self.url, lambda: self._content(address))
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise Unavailable(f"{self.url}: the server sent something else than JSON to a query") from None
        if not isinstance(answer, dict) or not answer.get("success"):
            message = quote_of_server((answer.get("msg") if isinstance(answer, dict) else answer) or "it gives no reason")
            raise Refused(f"{self.url}: the server refuses a query: {message}")
        if not isinstance(answer.get("msg"), list) or not all(isinstance(row, dict) for row in answer["msg"]):
            raise Unavailable(f"{self.url}: the server answers a query with something else than rows")
        return answer

    def _content(self, address: str) -> bytes:
        file = io.BytesIO()
        receive(address, file, timeout=self.settings.timeout, largest=LARGEST_ANSWER, login=self.settings.login)
        return file.getvalue()

    def _download_zip(self, address: str, path: Path) -> None:
        timeout, login = self.settings.timeout, self.settings.login
        with open(path, "wb") as file:
            kind = receive(address, file, timeout=timeout, largest=LARGEST_DOWNLOAD, login=login, progress=True)
        if not _is_zip(path):
            raise Unavailable(f"{address}: the server sent {kind} ({path.stat().st_size} bytes), not a zip archive")

    def _retry(self, address: str, request: Callable[[], Answer]) -> Answer:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TemporaryError),
            stop=tenacity.stop_after_attempt(self.settings.retries + 1),
            wait=tenacity.wait_exponential(multiplier=self.settings.backoff, max=LONGEST_PAUSE),
            before_sleep=lambda state: print(f"{state.outcome and state.outcome.exception()}; trying again"),
        )
        try:
            return attempts(request)
        except tenacity.RetryError as error:
            reason = error.last_attempt.exception()
            raise Unavailable(f"{address}: {reason}, in each of {self.settings.retries + 1} attempts") from None

    def cells(self) -> list[Row]:
        """Return the table of recorded cells, one row each, with the columns of `ApiCellTypesSpecimenDetail`."""
        return self.query("model::ApiCellTypesSpecimenDetail")

    def models_of(self, specimen_ids: Iterable[int | str]) -> list[Row]:
        """Return the biophysical models of cells in the order of their ids. Models that are point neurons are left out.

        A row has at least `id`, `specimen_id` and `neuronal_model_template_id`; if the site says them, also
        `neuronal_model_runs` and the `ephys_sweeps` of the `specimen`.
        """
        wanted = [str(specimen) for specimen in specimen_ids]
        rows = []
        for start in tqdm(range(0, len(wanted), IDS_AT_ONCE), unit="query", disable=len(wanted) <= IDS_AT_ONCE):
            rows += self._models_of(wanted[start : start + IDS_AT_ONCE])
        usable = [
            row
            for row in rows
            if str(row.get("specimen_id")) in wanted
            and isinstance(template := row.get("neuronal_model_template_id"), int)
            and template in KIND_OF_TEMPLATE
            and isinstance(row.get("id"), int)  # the name of a folder is made of it
        ]
        return sorted(usable, key=lambda row: row["id"])

    def _models_of(self, specimen_ids: list[str]) -> list[Row]:
        templates = ",".join(map(str, sorted(KIND_OF_TEMPLATE, reverse=True)))
        query = (
            f"model::NeuronalModel,rma::criteria,[neuronal_model_template_id$in{templates}],"
            f"[specimen_id$in{','.join(specimen_ids)}]"
        )
        try:
            return self.query(f"{query},rma::include,neuronal_model_runs,specimen(ephys_sweeps)")
        except Refused:  # what is included is useful, but not needed
            return self.query(query)


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # one of several disks
        return False
