"""The last words of programs and exceptions: one line, never empty."""

import re
import signal
import subprocess

from .permissions import describe_refusal

#: Words by which compilers, make, the translators of NEURON, pip and Python mark an error
MARK = re.compile(r"\berror\b|Error|ERROR|illegal|syntax|Unknown")


def last_words(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a program that failed printed last.

    Parameters
    ----------
    result : subprocess.CompletedProcess
        The process, with its output as text.

    Returns
    -------
    str
        The lines that name the error; without such lines the last lines, and without output the exit code. One line.
    """
    errors = error_lines(result.stderr) or error_lines(result.stdout)
    last = [line for line, _ in _lines(result.stderr) or _lines(result.stdout)][-5:]
    return " | ".join(errors or last) or f"{describe_exit(result.returncode)}, without any output"


def describe_exit(code: int) -> str:
    """Return how a process ended, from the exit code that `subprocess` gives."""
    return f"exit code {code}" if code >= 0 else f"the signal {signal.Signals(-code).name}"


def describe_exception(error: BaseException) -> str:
    """Return the message of an exception on one line, or its class if it has no message."""
    if isinstance(error, OSError) and (refusal := describe_refusal(error)):
        return refusal
    if isinstance(error, MemoryError):
        return f"out of memory: {' '.join(str(error).split()) or 'no more could be had'}; free some, or make less at once"
    return " ".join(str(error).splitlines()).strip() or type(error).__name__


def reason_in_log(log: str) -> str | None:
    """Return why a job failed: the last error in the text of its log, ours or that of a traceback; None if there is none."""
    lines = _lines(log)
    # Progress may contain the word as well.
    errors = [line for line, is_exception in lines if is_exception or line.startswith("error: ")]
    return errors[-1].removeprefix("error: ") if errors else None


def error_lines(output: str | None) -> list[str]:
    """Return the lines of an output that name the error: from two lines before the first error, at most eight.

    A traceback counts as its exception. An exception that only repeats that a program has failed is left out.
    """
    lines = _lines(output)
    wrong = [i for i, (line, is_exception) in enumerate(lines) if is_exception or (MARK.search(line) and line[:7] != "WARNING")]
    repeated = {i for i in wrong if "CalledProcessError" in lines[i][0]}
    if len(repeated) == len(wrong):
        repeated = set()
    # The first error is the cause of the others. Its subject may stand in the lines before it.
    around = range(max(wrong[0] - 2, 0), len(lines)) if wrong else ()
    return [lines[i][0] for i in around if i not in repeated][:8]


def _lines(output: str | None) -> list[tuple[str, bool]]:
    """Return the lines that are not empty, without colours, each with whether it is the exception that ends a traceback. The
    rest of a traceback is left out."""
    lines: list[tuple[str, bool]] = []
    in_traceback = False
    for line in re.sub(r"\x1b\[[0-9;]*m", "", output or "").splitlines():
        ends = bool(in_traceback and line.strip() and not line[0].isspace())
        in_traceback = line.startswith("Traceback (most recent call last)") or (in_traceback and not ends)
        if line.strip() and not in_traceback:
            lines.append((line.strip(), ends))
    return lines
