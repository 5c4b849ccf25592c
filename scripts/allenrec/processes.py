"""What a program or an exception says when something fails: on one line, and never nothing."""

import re
import signal

#: How compilers, make, the translators of NEURON, pip and Python mark what went wrong
MARK = re.compile(r"\berror\b|Error|ERROR|illegal|syntax|Unknown")


def last_words(result):
    """Return what a program that failed said last.

    Parameters
    ----------
    result : subprocess.CompletedProcess
        With its output as text.

    Returns
    -------
    str
        The lines that say what went wrong, else its last lines, else its exit code; one line, never empty.
    """
    errors = error_lines(result.stderr) or error_lines(result.stdout)
    last = [line for line, _ in _lines(result.stderr) or _lines(result.stdout)][-5:]
    return " | ".join(errors or last) or f"{exit_in_words(result.returncode)}, and it said nothing"


def exit_in_words(code):
    """Return how a process ended, from the exit code that `subprocess` gives."""
    return f"exit code {code}" if code >= 0 else f"the signal {signal.Signals(-code).name}"


def in_words(error):
    """Return the message of an exception on one line; its kind, if it has none."""
    return " ".join(str(error).splitlines()).strip() or type(error).__name__


def reason_in_log(log):
    """Return why a job failed: the error that its log ends with, ours or that of a traceback; None if it does not say."""
    lines = _lines(log)
    # Progress may speak of errors as well.
    errors = [line for line, is_exception in lines if is_exception or line.startswith("error: ")]
    return errors[-1].removeprefix("error: ") if errors else None


def killed(*logs):
    """Return what is known of a job whose logs do not say why it failed: the last line that it wrote."""
    words = "its log does not say; it was killed, perhaps for memory or time"
    last = [line for log in logs for line, _ in _lines(log)][-1:]
    return f"{words}, after: {last[0]}" if last else words


def error_lines(output):
    """Return the lines of an output that say what went wrong: from the first error, with the two lines before, at most eight.

    Of a traceback there is the exception only, and not even that if it just repeats that a program has failed.
    """
    lines = _lines(output)
    wrong = [i for i, (line, is_exception) in enumerate(lines) if is_exception or (MARK.search(line) and line[:7] != "WARNING")]
    repeated = {i for i in wrong if "CalledProcessError" in lines[i][0]}
    if len(repeated) == len(wrong):
        repeated = set()
    # The first error is the cause of the others; what it is about may stand just before it.
    around = range(max(wrong[0] - 2, 0), len(lines)) if wrong else ()
    return [lines[i][0] for i in around if i not in repeated][:8]


def _lines(output):
    """The lines that are not empty, without colours, each with whether it ends a traceback, of which there is nothing else."""
    lines, in_traceback = [], False
    for line in re.sub(r"\x1b\[[0-9;]*m", "", output or "").splitlines():
        ends = in_traceback and line.strip() and not line[0].isspace()
        in_traceback = line.startswith("Traceback (most recent call last)") or (in_traceback and not ends)
        if line.strip() and not in_traceback:
            lines.append((line.strip(), bool(ends)))
    return lines
