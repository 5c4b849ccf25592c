"""Let a server run a job of Snakemake, `python <script>`, as this process; see `job_server.py`.

This starts in a hundredth of a second: Python has no packages, and these modules are small. What is no such command, or has
another environment than the server, is run as it is.
"""

import json
import os
import signal
import socket
import sys

#: The answer to a job that needs a Python of its own
OWN = b"own"
#: Standard input, output and error
STREAMS = (0, 1, 2)


def main():
    place, program, *arguments = sys.argv[1:]
    if program == sys.executable and len(arguments) == 1:
        request = {"script": arguments[0], "folder": os.getcwd(), "environment": dict(os.environ)}
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(place) == 0:  # The server may not be there yet.
                socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], STREAMS)
                answer = connection.recv(16)
                if answer != OWN:
                    end(int(answer))
    os.execvp(program, [program, *arguments])


def end(code):
    """End as the job has ended: with an exit code or, if it is negative, by a signal."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main()
