"""The digest of a job's code: it changes with every file that the script uses, and with no other."""

import pytest

from allenrec.common.code_digest import code_digest

FILES = {
    "stage/run.py": "from allenrec.stage import work\n",
    "allenrec/__init__.py": "",
    "allenrec/stage/__init__.py": "",
    "allenrec/stage/work.py": "def work():\n    from ..common import tools\n    import allenrec.common.deep\n",
    "allenrec/common/__init__.py": "",
    "allenrec/common/tools.py": "import numpy\n",
    "allenrec/common/deep.py": "from .deeper import value\n",
    "allenrec/common/deeper.py": "value = 1\n",
    "allenrec/stage/work.js": "let a = 1\n",
    "allenrec/other/__init__.py": "",
    "allenrec/other/unused.py": "",
    "allenrec/named.py": "",
    "stage/other.py": "import allenrec.other.unused\n",
}
USED = {name for name in FILES if "other" not in name and name != "allenrec/named.py"}


def digest_of(folder, files, *modules):
    """Write files to a folder of their own; return the digest of the script."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return code_digest(folder, "stage/run.py", *modules)


@pytest.mark.parametrize("changed", FILES)
def test_digest_changes_with_the_files_that_are_used(changed, tmp_path):
    before = digest_of(tmp_path / "before", FILES)
    assert digest_of(tmp_path / "same", FILES) == before
    after = digest_of(tmp_path / "after", FILES | {changed: FILES[changed] + "\n"})
    assert (after != before) == (changed in USED)


def test_modules_that_are_imported_by_name_can_be_added(tmp_path):
    changed = FILES | {"allenrec/named.py": "a = 1\n"}
    digests = [digest_of(tmp_path / str(i), files, "allenrec.named") for i, files in enumerate((FILES, changed))]
    assert digests[0] != digests[1]
