"""HTTP requests with limits, so that a server can neither lead them elsewhere nor keep them busy, nor fill the disk."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import BinaryIO, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from tqdm import tqdm

from allenrec.common.errors import Unavailable, UserError, shortened

Answer = TypeVar("Answer")

#: Largest number of redirects that are followed for one request
MOST_REDIRECTS = 5

#: How many times the longest silence of a server a whole answer may take: at 30 s, a megabyte may come at 3.5 kB/s
PATIENCE = 10

#: Largest number of characters that are repeated of what a server sends
LONGEST_QUOTE = 100

#: Encodings of an answer that are undone. A server may name several, one within the other, each of which makes it a thousand
#: times as large.
ENCODINGS = ("", "identity", "gzip", "deflate")

#: Exceptions of `requests` that stand for temporary errors
MAY_PASS = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class NotFound(UserError):
    """The server answers 404."""


class TemporaryError(Exception):
    """An error of the server or the connection that may not occur at the next attempt."""


class _Session(requests.Session):
    """A session that does not look where a redirect leads."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def receive(
    address: str,
    file: BinaryIO,
    *,
    timeout: float,
    largest: int,
    login: tuple[str, str] | None = None,
    progress: bool = False,
) -> str:
    """Send a GET request, and write the answer to a file.

    Parameters
    ----------
    address : str
    file : binary file
    timeout : float
        Longest silence of the server, s. The whole answer may take `PATIENCE` times as long.
    largest : int
        Largest size of the answer, bytes.
    login : tuple of str, optional
        User and password for the server.
    progress : bool
        Whether to show it.

    Returns
    -------
    str
        The kind of the answer (Content-Type), shortened.

    Raises
    ------
    TemporaryError
        If another attempt may succeed: a server error (5xx), a broken connection, a silence.
    NotFound
        If the server does not have it.
    Unavailable
        If the server answers with another error, redirects to another host or from https to http, or takes too long.
    UserError
        If the answer is too large.
    """

    def receive_all() -> str:
        with _get(address, timeout, login) as response:
            total = _content_length(address, response)
            _require_readable(address, response)
            try:
                with tqdm(total=total, unit="B", unit_scale=True, disable=not progress) as bar:
                    for part in response.iter_content(2**16):
                        bar.update(file.write(part))
                        if file.tell() > largest:
                            raise UserError(f"{address}: more than {largest >> 20} MB; that is not a model archive")
            except MAY_PASS as error:
                raise TemporaryError(innermost_reason(error)) from None
            except (requests.RequestException, ValueError) as error:  # ValueError: a piece of a length below 0
                raise Unavailable(f"{address}: {innermost_reason(error)}") from None
            return quote_of_server(response.headers.get("Content-Type", "something"))

    return _within(PATIENCE * timeout, address, receive_all)


def _require_readable(address: str, response: requests.Response) -> None:
    """Raise an error if an answer is encoded in a way that is not read."""
    encoding = response.headers.get("Content-Encoding", "")
    if encoding.strip().lower() not in ENCODINGS:
        raise Unavailable(f"{address}: the server sends the Content-Encoding {quote_of_server(encoding)!r}, which is not read")


def _within(seconds: float, address: str, work: Callable[[], Answer]) -> Answer:
    """Return what `work` returns, or raise `Unavailable` if it takes longer.

    It runs in a thread that is left behind then, because a read of a socket ends only when as much has come as was asked for.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():
            raise
        raise Unavailable(f"{address}: the server has not sent all within {seconds:g} s; it is too slow") from None


def _get(address: str, timeout: float, login: tuple[str, str] | None) -> requests.Response:
    """Send a GET request; return the response, whose content has not been read yet."""
    target = address
    for _ in range(MOST_REDIRECTS + 1):
        try:
            with _Session() as session:
                response = session.get(target, timeout=timeout, stream=True, allow_redirects=False, auth=login)
        except MAY_PASS as error:
            raise TemporaryError(innermost_reason(error)) from None
        except (requests.RequestException, ValueError) as error:
            raise Unavailable(f"{address}: {innermost_reason(error)}") from None
        if not response.is_redirect:
            break
        response.close()
        target = _redirected(target, response.headers["Location"])
    else:
        raise Unavailable(f"{address}: the server redirects more than {MOST_REDIRECTS} times")
    if response.status_code == 200:  # 206, for example, is a part that nobody asked for
        return response
    response.close()
    message = f"the server answers {response.status_code} {quote_of_server(response.reason)}"
    if response.status_code >= 500:
        raise TemporaryError(message)
    raise (NotFound if response.status_code == 404 else Unavailable)(f"{address}: {message}")


def _redirected(address: str, location: str) -> str:
    """Return where a redirect leads; raise `Unavailable` if it leads to another host or from https to http."""
    try:
        target = urljoin(address, location)
        if _same_host(urlsplit(address), urlsplit(target)):
            return target
    except ValueError:
        pass
    raise Unavailable(
        f"{address}: the server redirects to {quote_of_server(location)!r}; only an address of the same host is followed, and "
        "never from https to http"
    )


def _same_host(origin: SplitResult, target: SplitResult) -> bool:
    """Return whether an address has the host and port of another one, or is the same one with https in place of http."""
    if target.hostname != origin.hostname or target.username is not None or target.scheme not in ("http", "https"):
        return False
    if (origin.scheme, target.scheme) == ("http", "https"):
        return origin.port in (None, 80) and target.port in (None, 443)
    return (target.scheme, target.port) == (origin.scheme, origin.port)


def _content_length(address: str, response: requests.Response) -> int | None:
    """Return the length that a server announces, None if it announces none."""
    length = response.headers.get("Content-Length")
    if length is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", length, re.ASCII):
        raise Unavailable(f"{address}: the server sends the Content-Length {quote_of_server(length)!r}, which is no number")
    return int(length)


def quote_of_server(text: object) -> str:
    """Return a text of a server on one line, shortened, and without what a terminal would do."""
    line = shortened(" ".join(str(text).split()))
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}..."


def innermost_reason(error: BaseException) -> str:
    """Return the innermost reason of a chain of network errors, on one short line."""
    while error.__context__ is not None:
        error = error.__context__
    return shortened(" ".join(f"{type(error).__name__}: {error}".split()))
