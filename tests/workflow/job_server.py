"""Run the jobs of Snakemake in forks of one process that has imported the packages that they use.

Imports are most of the time of a short job. A fork is what `python SCRIPT` is: packages are there, nothing of the workflow is,
and Python ends as it does elsewhere. `snakemake_server.py` starts the server, `job_client.py` asks it.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress

from job_client import OWN, STREAMS

#: Number by which Linux is asked for a signal when the parent of a process ends. `allenrec.common.lifetime` has it as well, but
#: nothing of the workflow may be in the forks.
PR_SET_PDEATHSIG = 1
#: What jobs import
IMPORTED = (
    *("h5py", "isal.isal_zlib", "jinja2", "MEAutility", "numba.np.arraymath", "pandas", "PIL.PngImagePlugin", "probeinterface"),
    *("matplotlib.backends.backend_agg", "matplotlib.figure", "pydantic", "snakemake.iocontainers", "snakemake.logging"),
    *("scipy.interpolate", "scipy.optimize", "scipy.signal", "scipy.spatial.transform"),
)
#: How variables of the environment begin that no package reads as it is imported, or that Snakemake sets for each job. If
#: others differ, the job has a Python of its own.
MAY_DIFFER = (
    *("ALLENREC_", "OLDPWD", "PATH", "PWD", "PYTHONPATH", "SHLVL", "SNAKEMAKE", "TEMP", "TMP", "_"),
    *("GOTO_", "MKL_", "NUMEXPR_", "OMP_", "OPENBLAS_", "VECLIB_"),
)


def serve(place):
    """Wait for requests at a socket; return each of them in a fork of this process, which is the job."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # The forks do not look for garbage in what is there.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(64)
    while True:
        connection = listener.accept()[0]
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # those that have waited for jobs
                pass
        if os.fork():
            connection.close()
            continue
        listener.close()
        request, streams = receive(connection)
        if not is_like_ours(request["environment"]):
            connection.sendall(OWN)
            os._exit(0)
        job = os.fork()
        if job:
            watch(job, connection)
        connection.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, stream in zip(STREAMS, streams, strict=True):
            os.dup2(stream, number)
            os.close(stream)
        return request


def receive(connection):
    """Return a request and the standard streams that come with it."""
    text, streams, _, _ = socket.recv_fds(connection, 2**16, len(STREAMS))
    while not text.endswith(b"\n"):
        text += connection.recv(2**16)
    return json.loads(text), streams


def is_like_ours(environment):
    """Whether a job of this environment may use what is imported here."""
    differing = dict(environment.items() ^ os.environ.items())
    return all(name.startswith(MAY_DIFFER) for name in differing)


def watch(job, connection):
    """Wait for a job, answer with its exit code, and end. If who has asked goes away, the job is told to end."""
    ended = os.pidfd_open(job)
    if connection in select.select([ended, connection], [], [])[0]:
        with suppress(ProcessLookupError):
            os.kill(job, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    with suppress(OSError):
        connection.sendall(str(code).encode())
    os._exit(0)


def enter(request):
    """Work in the folder and with the environment of a request, as a program that is started there."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])


def run(request):
    """Do what Python does with a script."""
    enter(request)
    script = request["script"]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    sys.path[1:1] = os.environ["PYTHONPATH"].split(os.pathsep)  # The workflow sets it for its jobs.
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")
