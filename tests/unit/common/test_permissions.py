"""What this user may not read or write is one line that names it. A process that permissions bind answers the questions."""

import os
from pathlib import Path

import pytest
from support import require_permissions_bind, run_python, without_privileges

#: What the process answers to all questions, in the folder that is its last argument; None if there is nothing to say
ASK = """
import json, os
from pathlib import Path
from allenrec.cells.table import read_table
from allenrec.common.errors import UserError
from allenrec.common.files import folder_built_beside, read_checked, read_json, write_json, write_text, written_beside
from allenrec.common.hdf5 import hdf5_written_beside
from allenrec.common.outcomes import failure_of, read_failure
from allenrec.common.permissions import *
from allenrec.common.plain_files import load_yaml
from allenrec.common.processes import describe_exception
def enter(context):
    with context:
        pass
def answer(question):
    os.chdir(sys.argv[-1])
    try:
        found = eval(question)
    except (UserError, OSError) as error:
        found = describe_exception(error)
    return found if found is None or isinstance(found, str) else repr(found)
print(json.dumps([answer(question) for question in sys.argv[1:-1]]))
"""


@pytest.fixture
def folder(tmp_path):
    require_permissions_bind(tmp_path)
    results = tmp_path / "results"
    for name in ("recordings/demo", "closed/below", "fixed", "lost+found"):
        (results / name).mkdir(parents=True)
    (results / "unreadable.h5").touch(mode=0)
    (results / "unreadable.json").touch(mode=0)
    (results / "fixed.tsv").touch(mode=0o444)
    modes = {"closed": 0, "fixed": 0o555, "lost+found": 0}
    for name, mode in modes.items():
        os.chmod(results / name, mode)
    yield tmp_path
    for name in modes:
        os.chmod(results / name, 0o755)


CURE = "change its permissions (chmod) or its owner (chown)"
REFUSED = [
    ("read_failure('results/unreadable.h5')", "results/unreadable.h5: permission denied"),
    ("read_failure('results/unreadable.json')", "results/unreadable.json: permission denied"),
    ("read_failure('results/closed/473863510.json')", "results/closed: permission denied"),
    ("read_json('results/unreadable.json', 'JSON')", "results/unreadable.json: permission denied"),
    ("read_checked('results/closed/below/table.csv', 'table')", "results/closed: permission denied"),
    ("read_table('results/unreadable.json')", "results/unreadable.json: permission denied"),
    ("write_text('results/fixed/a.csv', 'a')", "results/fixed/a.csv: permission denied"),
    ("write_text('results/closed/below/a.csv', 'a')", "results/closed: permission denied"),
    ("enter(hdf5_written_beside('results/fixed/recording.h5'))", "results/fixed/recording.h5: permission denied"),
    ("enter(folder_built_beside('results/fixed/folder'))", "results/fixed/folder: permission denied"),
    ("require_readable_folders(['missing', 'results'], 1)", "results/closed: no permission to read this folder"),
    ("require_readable_folders(['results/closed/below'], 0)", "results/closed: no permission to read this folder"),
    (
        "require_writable_place('results/fixed/a/b')",
        "{}/results/fixed: no permission to write here, or the file system is read-only",
    ),
    (
        "os.chdir('results/fixed') or require_writable_records()",
        "{}/results/fixed: no permission to write here, or the file system is read-only",
    ),
    (
        "require_files([], ['results/fixed/log/x.log'], [])",
        "{}/results/fixed: no permission to write here, or the file system is read-only",
    ),
    ("require_files(['none', 'results/unreadable.h5'], [], [])", "results/unreadable.h5: no permission to read this file"),
    ("refusal_to_read('results')", "results/closed: no permission to read this folder"),
    ("refusal_to_read('results/closed/below')", "results/closed: no permission to read this folder"),
    ("require_files([], [], ['results/fixed.tsv'])", "results/fixed.tsv: no permission to write this file"),
]
ALLOWED = [
    "failure_of('results/unreadable.h5')",
    "failure_of('results/closed/473863510.json')",
    "require_readable_folders(['results/recordings', 'results/fixed'], 0)",
    "require_writable_records()",
    "refusal_to_read('results/recordings')",
    "refusal_to_read('results', whole=False)",
    "refusal_to_read('results/none')",
    # What is made anew takes the place of an older file.
    "require_files(['results/fixed.tsv'], ['results/fixed.tsv', 'results/new/a.csv'], ['results/new.tsv'])",
]


def test_what_may_not_be_read_or_written_is_one_line(folder):
    questions = [question for question, _ in REFUSED] + ALLOWED
    expected = [f"{answer.format(folder)}; {CURE}" for _, answer in REFUSED] + [None] * len(ALLOWED)
    answers = run_python(ASK, *questions, folder, preexec_fn=without_privileges)
    assert dict(zip(questions, answers, strict=True)) == dict(zip(questions, expected, strict=True))
    assert [path.name for path in folder.rglob(".*part*")] == []


def test_folders_of_the_file_system_are_left_alone(folder):
    """The folder `lost+found` belongs to root wherever a disk is mounted, and hidden folders are not ours."""
    os.chmod(folder / "results" / "closed", 0o755)
    (folder / "results" / ".Trash").mkdir(mode=0)
    assert run_python(ASK, "require_readable_folders(['results'], 2)", folder, preexec_fn=without_privileges) == [None]
    assert Path(folder, "results", "lost+found").stat().st_mode & 0o777 == 0
