"""The source `allen` with a server that behaves and misbehaves as the Allen site does."""

import base64
import io
import shutil
import stat
import struct
import subprocess
import sys
import time
import zipfile

import pytest
from allen_server import AllenServer, archive_of, dribble, headers, redirect
from support import ROOT, run_python

from allenrec.common.errors import Unavailable, UserError
from allenrec.models import read_metadata, sources
from allenrec.models.archive import read_model
from allenrec.models.sources import allen_api, archives, fetch_model, http_client
from allenrec.settings.models import Allen, Models

MODEL = "473863510"


@pytest.fixture
def server():
    server = AllenServer()
    yield server
    server.close()


def settings_of(url, *, sources=("allen",), **patience):
    """Return the settings of sources, with the Allen site at an address."""
    allen = {"timeout": 1, "retries": 0, "backoff": 0} | patience
    return Models(sources=list(sources), allen=Allen(url=url, **allen))


@pytest.fixture
def fetch(server, tmp_path):
    """Fetch a model from the server into an empty folder, with short times."""

    def fetch(model=MODEL, retries=2, timeout=0.5):
        return fetch_model(model, tmp_path, settings_of(server.url, timeout=timeout, retries=retries, backoff=0.01))

    return fetch


@pytest.fixture
def wheel_model(models_folder):
    return models_folder / f"neuronal_model_{MODEL}"


def test_archive_becomes_a_recorded_folder_and_is_not_asked_for_again(server, fetch, wheel_model):
    server.archives[MODEL] = archive_of(wheel_model)
    folder = fetch()
    assert read_model(folder) == read_model(wheel_model).__class__(**vars(read_model(wheel_model)) | {"folder": folder})
    for path in wheel_model.rglob("*"):
        if path.is_file() and path.name != "model_metadata.json":
            assert (folder / path.relative_to(wheel_model)).read_bytes() == path.read_bytes()
    record = read_metadata(folder)["allenrec"]
    assert record["source"] == "allen" and record["url"].endswith(f"/neuronal_model/download/{MODEL}")
    assert len(record["files"]) == 18 and len(record["sha256"]) == 64 and record["date"] and "Gouwens" in record["citation"]
    assert read_metadata(folder)["specimen"]["id"] == 314804042
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["fit_parameters.json", "reconstruction.swc", "modfiles", "model_metadata.json", "verified.json"]
    )
    fetch_model(MODEL, folder.parent, settings_of(server.url, sources=("local", "allen")))
    assert len(server.requests) == 1


def test_archive_of_2015_is_read_by_its_names(server, fetch, wheel_model):
    """It has other names, other metadata, a marker beside the morphology, and NaV.mod with CRLF."""
    names = {
        "fit_parameters.json": f"{MODEL}_fit.json",
        "reconstruction.swc": "Rorb_325404214_m.swc",
        "model_metadata.json": "neuronal_model.json",
    }
    nav = (wheel_model / "modfiles" / "NaV.mod").read_bytes().replace(b"\n", b"\r\n")
    extra = [("Rorb_325404214_marker_m.swc", "# markers"), ("modfiles/NaV.mod", nav), ("manifest.json", "{}")]
    server.archives[MODEL] = archive_of(wheel_model, without=["modfiles/NaV"], renamed=names, extra=extra)
    folder = fetch()
    assert read_model(folder).mechanisms == read_model(wheel_model).mechanisms
    assert (folder / "reconstruction.swc").read_bytes() == (wheel_model / "reconstruction.swc").read_bytes()


@pytest.mark.parametrize("faults", [[500, 503, None], ["reset", None], ["short", None], ["stall", None]], ids=str)
def test_error_that_passes_is_followed_by_another_attempt(faults, server, fetch, wheel_model, capsys):
    server.archives[MODEL], server.faults[MODEL] = archive_of(wheel_model), faults
    requests_needed = len(faults)
    assert read_model(fetch()).kind == "perisomatic"
    assert len(server.requests) == requests_needed
    assert capsys.readouterr().out.count("; trying again\n") == requests_needed - 1


LASTING = {
    "500": (500, 3, "the server answers 500"),
    "reset": ("reset", 3, "in each of 3 attempts"),
    "short": ("short", 3, "in each of 3 attempts"),
    "stall": ("stall", 3, "in each of 3 attempts"),
    "403": (403, 1, "the server answers 403"),
    "html": ("html", 1, "the server sent text/html (24 bytes), not a zip archive"),
}


@pytest.mark.parametrize("name", LASTING)
def test_error_that_lasts_is_one_message_and_leaves_nothing(name, server, fetch, wheel_model, tmp_path):
    fault, requests_made, expected = LASTING[name]
    server.archives[MODEL], server.faults[MODEL] = archive_of(wheel_model), [fault]
    assert_refused(fetch, expected, tmp_path, unavailable=True)
    assert len(server.requests) == requests_made


def assert_refused(fetch, expected, folder, *, unavailable=False):
    """Check that a fetch fails with one message and leaves nothing; `unavailable` means that the model is not to blame."""
    with pytest.raises(UserError) as caught:
        fetch()
    message = str(caught.value)
    assert "\n" not in message and expected in message and MODEL in message
    assert list(folder.iterdir()) == []
    assert isinstance(caught.value, Unavailable) == unavailable
    return message


def test_nobody_listening_is_one_message(server, fetch, tmp_path):
    server.close()
    assert_refused(fetch, "in each of 3 attempts", tmp_path, unavailable=True)


def link():
    member = zipfile.ZipInfo("reconstruction.swc")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def compressed(name, kind=zipfile.ZIP_DEFLATED):
    member = zipfile.ZipInfo(name)
    member.compress_type = kind
    return member


UNSOUND = {
    "no morphology": ({"without": ["reconstruction"]}, "the archive has no reconstruction.swc"),
    "no fit": ({"without": ["fit_parameters"]}, "the archive has no fit_parameters.json"),
    "no mod files": ({"without": ["modfiles"]}, "the archive has no mod files"),
    "empty": ({"without": [""]}, "the archive has no fit_parameters.json"),
    "outside": ({"extra": [("../../x", "x")]}, "a member outside of its folder, '../../x'"),
    "absolute": ({"extra": [("/etc/x", "x")]}, "a member outside of its folder, '/etc/x'"),
    "symbolic link": ({"without": ["recon"], "extra": [(link(), "/etc/passwd")]}, "a symbolic link, 'reconstruction.swc'"),
    "GLIF": ({"without": [""], "extra": [("neuron_config.json", "{}")]}, "GLIF point neuron"),
    "fit is no JSON": ({"without": ["fit"], "extra": [("fit_parameters.json", "{")]}, "does not parse as JSON"),
    "morphology is none": ({"without": ["recon"], "extra": [("reconstruction.swc", "x y")]}, "is not an SWC file"),
    "name that is code": (
        {"extra": [("modfiles/`id`.mod", "x")]},
        "the name of the mod file '`id`.mod' must have letters, digits and _ only",
    ),
    "long name": ({"extra": [(f"modfiles/{'a' * 300}.mod", "x")]}, "must have letters, digits and _ only, at most 100"),
    "unknown compression": (
        {"without": ["recon"], "extra": [(compressed("reconstruction.swc", zipfile.ZIP_LZMA), "x")]},
        "'reconstruction.swc' has an unknown compression (14)",
    ),
    "many files": ({"extra": [(f"other/{i}", "") for i in range(1001)]}, "the archive has more than 1000 files"),
    "large file": (
        {"without": ["recon"], "extra": [(compressed("reconstruction.swc"), b"#" * (20 * 2**20 + 1))]},
        "'reconstruction.swc' would unpack to more than 20 MB",
    ),
    "mod file twice": (
        {"extra": [("x/modfiles/Ih.mod", "x")]},
        "the archive has two files for modfiles/Ih.mod: 'modfiles/Ih.mod' and 'x/modfiles/Ih.mod'",
    ),
    "two fits of 2015": (
        {"without": ["fit"], "extra": [("1_fit.json", "{}"), ("2_fit.json", "{}")]},
        "two files for fit_parameters.json: '1_fit.json' and '2_fit.json'",
    ),
    "name of a Mac": ({"extra": [("__MACOSX/modfiles/._Ih.mod", "x")]}, "the name of the mod file '._Ih.mod' must have"),
    "all in a folder": (
        {"renamed": dict.fromkeys(["fit_parameters.json"], "x/fit_parameters.json")},
        "the archive has no fit_parameters.json",
    ),
    "fit in UTF-16": (
        {"without": ["fit"], "extra": [("fit_parameters.json", "{}".encode("utf-16"))]},
        "model 473863510: the archive: fit_parameters.json does not parse as JSON",
    ),
    "metadata is no JSON": ({"without": ["model_"], "extra": [("model_metadata.json", "{")]}, "does not parse as JSON"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_archive_is_refused_before_it_has_a_place(name, server, fetch, wheel_model, tmp_path):
    change, expected = UNSOUND[name]
    server.archives[MODEL] = archive_of(wheel_model, **change)
    assert_refused(fetch, expected, tmp_path)
    assert not (tmp_path.parent / "x").exists()


def entry_of(archive, name, offset, form, value):
    """Return an archive with another value in the entry of a file, at its place in the table of contents and in the file."""
    changed = bytearray(archive)
    for signature, start, shift in ((b"PK\1\2", 46, offset), (b"PK\3\4", 30, offset - 2)):
        place = archive.index(name.encode(), archive.index(signature)) - start
        while archive[place : place + 4] != signature:
            place = archive.index(name.encode(), place + start + 1) - start
        struct.pack_into(form, changed, place + shift, value)
    return bytes(changed)


def cut_in_the_middle(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        member = zipped.getinfo("reconstruction.swc")
    start = member.header_offset + 60
    return archive[:start] + bytes(1000) + archive[start + 1000 :]


FALSIFIED = {
    "encrypted": (lambda archive: entry_of(archive, "reconstruction.swc", 8, "<H", 1), "'reconstruction.swc' is encrypted"),
    "compression that nobody knows": (
        lambda archive: entry_of(archive, "reconstruction.swc", 10, "<H", 77),
        "'reconstruction.swc' has an unknown compression (77)",
    ),
    "larger than it says": (lambda archive: entry_of(archive, "reconstruction.swc", 24, "<I", 10), "the archive is damaged: "),
    "newer version": (lambda archive: entry_of(archive, "reconstruction.swc", 6, "<H", 99), "the archive is damaged: "),
    "damaged content": (cut_in_the_middle, "the archive is damaged: "),
    "table elsewhere": (lambda archive: archive[:-6] + b"\xff\xff\xff\x7f\0\0", "the archive is damaged: "),
    "table cut": (lambda archive: archive.replace(b"PK\1\2", b"PK\1\3"), "the archive is damaged: "),
}


@pytest.mark.parametrize("name", FALSIFIED)
def test_falsified_archive_is_one_message(name, server, fetch, wheel_model, tmp_path):
    change, expected = FALSIFIED[name]
    server.archives[MODEL] = change(archive_of(wheel_model))
    assert_refused(fetch, expected, tmp_path)


def answer_of(status, content):
    """Return a misbehaviour: an answer with this status line and content, or no status line at all."""

    def answer(handler, body):
        handler.wfile.write((b"" if status is None else b"HTTP/1.1 " + status + b"\r\n\r\n") + content)
        handler.close_connection = True

    return answer


MISLEADING = {
    "other host": (lambda url: redirect("http://allen.invalid/x"), "redirects to 'http://allen.invalid/x'"),
    "other port": (lambda url: redirect("http://127.0.0.1:1/x"), "redirects to 'http://127.0.0.1:1/x'"),
    "other name": (lambda url: redirect(url.replace("127.0.0.1", "localhost")), "only an address of the same host"),
    "no address": (lambda url: redirect("http://[::1"), "redirects to 'http://[::1'"),
    "no port": (lambda url: redirect("http://127.0.0.1:port/"), "redirects to 'http://127.0.0.1:port/'"),
    "file": (lambda url: redirect("file:///etc/passwd"), "redirects to 'file:///etc/passwd'"),
    "relative": (lambda url: redirect("//allen.invalid/x"), "redirects to '//allen.invalid/x'"),
    "long": (lambda url: redirect("http://allen.invalid/" + "x" * 5000), "..."),
    "nowhere": (lambda url: redirect(""), "redirects more than 5 times"),
    "circle": (lambda url: redirect(f"/neuronal_model/download/{MODEL}"), "redirects more than 5 times"),
    "length": (lambda url: headers(Content_Length="many"), "the Content-Length 'many', which is no number"),
    "negative length": (lambda url: headers(Content_Length="-5"), "the Content-Length '-5', which is no number"),
    "two lengths": (lambda url: headers(Content_Length="5, 6"), "Content-Length"),
    "part": (lambda url: answer_of(b"206 Partial Content", b"x"), "the server answers 206 Partial Content"),
    "encoding in encoding": (lambda url: headers(Content_Encoding="gzip, gzip"), "the Content-Encoding 'gzip, gzip', which"),
    "piece of a length below 0": (
        lambda url: answer_of(b"200 OK\r\nTransfer-Encoding: chunked", b"-5\r\nabc"),
        "read length must be non-negative",
    ),
    "words for a terminal": (lambda url: answer_of(b"403 a\x1b[2Jb", b"no"), "the server answers 403 a?[2Jb"),
    "no HTTP": (lambda url: answer_of(None, b"PK\3\4" + b"x" * 50_000), "BadStatusLine: PK??x"),
    "user": (lambda url: redirect(url.replace("//", "//me:it@")), "only an address of the same host"),
    "compressed badly": (lambda url: headers(Content_Encoding="gzip"), "decompressing"),
}


@pytest.mark.parametrize("name", MISLEADING)
def test_answer_that_misleads_is_one_message(name, server, fetch, wheel_model, tmp_path):
    fault, expected = MISLEADING[name]
    server.archives[MODEL], server.faults[MODEL] = archive_of(wheel_model), [fault(server.url)]
    text = assert_refused(fetch, expected, tmp_path, unavailable=True)
    assert len(server.requests) <= 6 and text.isprintable() and len(text) < 500


@pytest.mark.parametrize("whole", [False, True], ids=["path", "whole address"])
def test_redirect_within_the_host_is_followed(whole, server, fetch, wheel_model):
    target = "/neuronal_model/download/7"
    server.archives["7"], server.faults[MODEL] = archive_of(wheel_model), [redirect(server.url * whole + target)]
    assert read_model(fetch()).kind == "perisomatic"
    assert server.requests[-1] == target


def test_https_never_becomes_http():
    """There is no https on the loopback interface without a certificate; so this asks the function that decides."""
    http, https = "http://allen.invalid/a", "https://allen.invalid/b"
    assert http_client._redirected(http, https) == https and http_client._redirected(https, "/c").startswith("https://")
    with pytest.raises(Unavailable, match="never from https to http"):
        http_client._redirected(https, http)


@pytest.mark.parametrize("start", [20, 12_000], ids=["headers", "content"])
def test_server_that_sends_a_byte_now_and_then_is_given_up(start, server, fetch, wheel_model, tmp_path, monkeypatch):
    monkeypatch.setattr(http_client, "PATIENCE", 2)
    server.archives[MODEL], server.faults[MODEL] = archive_of(wheel_model), [dribble(start)]
    began = time.monotonic()
    assert_refused(fetch, "has not sent all within 1 s; it is too slow", tmp_path, unavailable=True)
    assert 1 <= time.monotonic() - began < 4


def test_login_in_the_address_is_used_and_written_nowhere(server, wheel_model, tmp_path):
    server.archives[MODEL] = archive_of(wheel_model)
    settings = settings_of(server.url.replace("//", "//me:se%40cret@"))
    folder = fetch_model(MODEL, tmp_path, settings)
    assert server.logins == [f"Basic {base64.b64encode(b'me:se@cret').decode()}"]
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    shown = [*written, settings.model_dump_json().encode(), repr(settings).encode()]
    assert not any(secret in text for text in shown for secret in (b"se%40cret", b"se@cret", b"me:"))
    server.faults["8"] = [403]
    with pytest.raises(Unavailable, match="403") as caught:
        fetch_model("8", tmp_path, settings)
    assert "cret" not in str(caught.value)


def test_archive_that_unpacks_too_large_is_refused(server, fetch, wheel_model, tmp_path, monkeypatch):
    server.archives[MODEL] = archive_of(wheel_model)
    monkeypatch.setattr(archives, "LARGEST_CONTENT", 1000)
    assert_refused(fetch, "would unpack to more than", tmp_path)
    monkeypatch.setattr(allen_api, "LARGEST_DOWNLOAD", 1000)
    assert_refused(fetch, "not a model archive", tmp_path)


def test_id_of_a_cell_is_answered_with_its_models(server, fetch, tmp_path):
    server.models = [
        {"id": 11, "name": "a", "specimen_id": int(MODEL), "neuronal_model_template_id": 329230710},
        {"id": 12, "name": "b", "specimen_id": int(MODEL), "neuronal_model_template_id": 491455321},
    ]
    assert_refused(fetch, "it is the id of a cell, whose models are 11 (perisomatic), 12 (all active)", tmp_path)


@pytest.mark.parametrize("refused", [False, True])
def test_unknown_id_is_one_message(refused, server, fetch, tmp_path):
    server.faults["query"] = ["refuse" if refused else None]
    assert_refused(fetch, "the Allen site has no model with this id", tmp_path)


@pytest.mark.parametrize("source", ["bmtk", "allen"])
def test_run_killed_after_the_download_knows_where_the_model_came_from(
    source, server, wheel_model, models_folder, tmp_path, monkeypatch
):
    """The last moment before our check: the folder is in its place, and says so when the run is started again."""
    server.archives[MODEL] = archive_of(wheel_model)
    shutil.copytree(models_folder / "wheel", tmp_path / "wheel")
    settings = settings_of(server.url, sources=(source,))

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sources, "_verify", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch_model(MODEL, tmp_path, settings)
    folder = fetch_model(MODEL, tmp_path, settings)
    record = read_metadata(folder)["allenrec"]
    assert record["source"] == source and len(record["sha256"]) == 64 and len(record["files"]) == 18
    assert len(server.requests) == (source == "allen")


def test_proxy_of_the_environment_is_used(server, fetch, wheel_model, tmp_path, monkeypatch):
    """The site's name leads nowhere; only the proxy, which is asked for the whole address, can answer."""
    server.archives[MODEL] = archive_of(wheel_model)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    folder = fetch_model(MODEL, tmp_path, settings_of("http://allen.invalid"))
    assert read_model(folder).kind == "perisomatic"
    assert server.requests == [f"allen.invalid/neuronal_model/download/{MODEL}"]


FETCH = """
import resource, signal
from allenrec.models.sources import fetch_model
from allenrec.settings.models import Allen, Models
url, model, folder, limit = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if limit != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    fetch_model(model, folder, Models(sources=["allen"], allen=Allen(url=url, timeout=30, retries=0, backoff=0)))
except OSError as error:
    print(json.dumps(str(error)))
"""


def run_fetch(server, folder, limit=0):
    return run_python("import json\n" + FETCH, server.url, MODEL, folder, limit)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB, less than a model takes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_is_one_message_and_leaves_nothing(server, wheel_model, small_disk):
    server.archives[MODEL] = archive_of(wheel_model)
    message = run_fetch(server, small_disk)
    assert "No space left on device" in message and f"neuronal_model_{MODEL}" in message and "\n" not in message
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("limit", [10_000, 60_000], ids=["in the archive", "in its content"])
def test_file_that_cannot_be_written_is_one_message_and_leaves_nothing(server, wheel_model, tmp_path, limit):
    """As a full disk, for machines where none can be made: no file may become larger than the limit."""
    server.archives[MODEL] = archive_of(wheel_model)
    message = run_fetch(server, tmp_path, limit)
    assert "File too large" in message and f"neuronal_model_{MODEL}" in message
    assert list(tmp_path.iterdir()) == []


def test_download_that_is_killed_half_way_is_made_again(server, wheel_model, tmp_path):
    server.archives[MODEL], server.faults[MODEL] = archive_of(wheel_model), ["stall", None]
    code = f"import sys, json; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n{FETCH}"
    process = subprocess.Popen([sys.executable, "-c", code, server.url, MODEL, tmp_path, "0"])
    deadline = time.monotonic() + 60
    while not (server.requests and list(tmp_path.glob(".*/archive.zip"))):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)  # it waits for the second half now
    process.kill()
    process.wait()
    assert [path.name[:9] for path in tmp_path.iterdir()] == [".neuronal"]  # what the kill left; no model yet
    run_fetch(server, tmp_path)
    assert read_model(tmp_path / f"neuronal_model_{MODEL}").kind == "perisomatic"
    assert [path.name for path in tmp_path.iterdir()] == [f"neuronal_model_{MODEL}"]
