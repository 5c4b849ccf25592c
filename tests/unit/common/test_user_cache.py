"""Shared folders of compiled code: what others could have written is never taken."""

import os
import stat

import pytest

from allenrec.common.user_cache import KEPT, forget_old, is_private, private_files, private_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o000])
def test_new_folder_is_private(cache, umask):
    """Whatever the user's umask is."""
    before = os.umask(umask)
    try:
        folder = private_folder("kernels")
    finally:
        os.umask(before)
    assert folder == cache / "allenrec" / "kernels"
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("part", ["", "allenrec", "allenrec/kernels"])
@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_folder_that_others_can_write_is_refused(cache, part, mode):
    """Each folder on the way counts: who can write one can put another folder in place of the next."""
    private_folder("kernels")
    (cache / part).chmod(mode)
    assert private_folder("kernels") is None


def test_files_that_others_can_write_are_refused(cache, tmp_path):
    """One such file is enough to refuse all; a link counts as such a file."""
    folder = private_folder("kernels")
    (folder / "a").write_text("a")
    (folder / "a").chmod(0o600)
    assert private_files(folder) == [folder / "a"]
    (folder / "a").chmod(0o666)
    assert private_files(folder) == []
    (folder / "a").chmod(0o600)
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    assert private_files(folder) == []


def test_no_home(monkeypatch, tmp_path):
    """A cache that is no folder, and a home that does not exist and cannot be made, are none; nothing is raised."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert private_folder("kernels") is None
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert private_folder("kernels") is None
    assert not is_private("/proc/none")


def test_old_entries_are_forgotten(cache):
    """The latest `KEPT` stay; what is being built is left alone."""
    folder = private_folder("kernels")
    for k in range(KEPT + 3):
        (folder / str(k)).mkdir()
        os.utime(folder / str(k), (k, k))
    (folder / ".part").mkdir()
    forget_old(folder)
    assert {path.name for path in folder.iterdir()} == {str(k) for k in range(3, KEPT + 3)} | {".part"}
