"""What several tests need."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: The complete models of the bmtk wheel
WHEEL_MODELS = ("472363762", "473863510", "473863035", "472912177", "473862421")


def run_python(code, *arguments):
    """Run code in a process of its own, with the library on its path; return what it prints as JSON on its last line."""
    scripts = str(ROOT / "scripts")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {scripts!r})\n{code}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1]) if result.stdout.strip() else None
