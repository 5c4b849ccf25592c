"""A server on the loopback interface that stands in for the Allen site, and misbehaves when it is told to."""

import io
import json
import re
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

FILTERED = ("neuronal_model_template_id", "specimen_id")


def archive_of(folder, *, without=(), renamed=None, extra=()):
    """Return the zip archive of a model folder: flat, as the download link of the Allen site gives it.

    `without` are beginnings of names to leave out; `renamed` maps names; `extra` are (ZipInfo or name, content).
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "verified.json"):
            name = str(path.relative_to(folder))
            content = path.read_bytes()
            if name == "model_metadata.json":  # as the site sends it, without our record
                content = json.dumps({k: v for k, v in json.loads(content).items() if k != "allenrec"}).encode()
            if not name.startswith(tuple(without)):
                archive.writestr((renamed or {}).get(name, name), content)
        for name, content in extra:
            archive.writestr(name, content)
    return buffer.getvalue()


class AllenServer:
    """A stand-in for the Allen site on a port of the loopback interface.

    `archives` maps model ids to bytes; `cells` and `models` are the rows of the site's two tables. `faults` maps model ids, or
    "query", to a list of misbehaviours: one for each request, the last one for all further requests. A misbehaviour may be a
    function of the handler of a request and the content that was asked for. `page` is the largest number of rows in an answer.
    `requests` are the paths of the requests so far, `logins` their logins, `queries` the queries.
    """

    def __init__(self):
        self.archives, self.cells, self.models, self.faults = {}, [], [], {}
        self.requests, self.queries, self.logins, self.page = [], [], [], None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler):
        path = urlparse(handler.path)
        # With the host that was asked for, where the server stands in for a proxy
        self.requests.append(f"{path.netloc}{path.path}")
        self.logins.append(handler.headers["Authorization"])
        is_query = path.path == "/api/v2/data/query.json"
        model = "query" if is_query else path.path.rsplit("/", 1)[1]
        faults = self.faults.get(model, [])
        fault = (faults.pop(0) if len(faults) > 1 else faults[0]) if faults else None
        if is_query and fault in (None, "refuse", "refuse include"):
            return self._answer_query(handler, parse_qs(path.query)["q"][0], fault)
        body = self._query_body([]) if is_query else self.archives.get(model)
        if callable(fault):
            return fault(handler, body)
        if isinstance(fault, int):
            return send(handler, fault, b"no", "text/plain")
        if fault == "html":
            return send(handler, 200, b"<html>Maintenance</html>", "text/html")
        if body is None:
            return send(handler, 404, b"no", "text/plain")
        if fault in ("reset", "short", "stall"):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            if fault == "stall":
                time.sleep(5)
            if fault == "reset":
                # Closing with this set sends a reset instead of a regular end.
                handler.connection.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
            handler.connection.close()
            return None
        return send(handler, 200, body, "application/zip")

    def _answer_query(self, handler, query, fault):
        self.queries.append(query)
        if fault == "refuse" or (fault == "refuse include" and "rma::include" in query):
            answer = {"success": False, "id": 0, "msg": "Data could not be parsed"}
            return send(handler, 200, json.dumps(answer).encode(), "application/json")
        rows = self.cells
        if query.startswith("model::NeuronalModel,"):
            templates, specimens = (re.search(rf"\[{key}\$in([0-9,]+)\]", query)[1].split(",") for key in FILTERED)
            rows = [
                row
                for row in self.models
                if str(row["neuronal_model_template_id"]) in templates and str(row["specimen_id"]) in specimens
            ]
        start = int(re.search(r"start_row\$eq([0-9]+)", query)[1])
        page = rows[start:][: self.page]
        return send(handler, 200, self._query_body(page, start, 9440 if "include" in query else len(rows)), "application/json")

    def _query_body(self, rows, start=0, total=0):
        answer = {"success": True, "id": 0, "start_row": start, "num_rows": len(rows), "total_rows": total, "msg": rows}
        return json.dumps(answer).encode()


def redirect(location, status=302):
    """Return a misbehaviour: another address is given as the answer."""

    def answer(handler, body):
        handler.send_response(status)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def headers(**names):
    """Return a misbehaviour: the content is sent with these headers, in whose names `_` stands for `-`."""

    def answer(handler, body):
        handler.send_response(200)
        for name, value in names.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.connection.close()

    return answer


def dribble(start):
    """Return a misbehaviour: after the first `start` bytes of its answer, the server sends a byte every tenth of a second."""

    def answer(handler, body):
        whole = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\nX-Long: %s\r\n\r\n%s" % (len(body), b"x" * 10_000, body)
        try:
            handler.wfile.write(whole[:start])
            for byte in whole[start : start + 300]:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass  # nobody listens any more

    return answer


def send(handler, status, body, kind):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
