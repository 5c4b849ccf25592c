"""Copies of the finished run that a test may damage."""

import shutil

import pytest


@pytest.fixture
def damaged(finished, tmp_path):
    """A copy of the finished run, to be damaged."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder, symlinks=True)
    return folder
