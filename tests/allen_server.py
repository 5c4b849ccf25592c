"""A server on the loopback interface that stands in for the Allen site, and misbehaves when it is told to."""

import io
import json
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse


def archive_of(folder, *, without=(), renamed=None, extra=()):
    """The zip archive of a model folder: flat, as the download link of the Allen site gives it.

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
    """`archives` maps model ids to bytes; `models_of` maps specimen ids to rows of a query; `faults` maps model ids to a list
    of misbehaviours, one for each request, the last one for all further requests; `requests` are the paths asked for."""

    def __init__(self):
        self.archives, self.models_of, self.faults, self.requests = {}, {}, {}, []
        self.refuse_queries = False
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
        self.requests.append(path.path)
        if path.path == "/api/v2/data/query.json":
            return self._answer_query(handler, parse_qs(path.query)["q"][0])
        model = path.path.rsplit("/", 1)[1]
        faults = self.faults.get(model, [])
        fault = (faults.pop(0) if len(faults) > 1 else faults[0]) if faults else None
        body = self.archives.get(model)
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

    def _answer_query(self, handler, query):
        if self.refuse_queries:
            answer = {"success": False, "msg": "Data could not be parsed"}
        else:
            rows = next((rows for specimen, rows in self.models_of.items() if f"[specimen_id$in{specimen}]" in query), [])
            answer = {"success": True, "id": 0, "start_row": 0, "num_rows": len(rows), "total_rows": 9440, "msg": rows}
        return send(handler, 200, json.dumps(answer).encode(), "application/json")


def send(handler, status, body, kind):
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
