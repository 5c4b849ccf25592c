"""Disks that are full, or read-only: mounted over a folder, as only root can."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def _mounted(folder, *options):
    result = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"no file system can be mounted here: {result.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def small_disk(folder):
    """Move a folder to a disk with room for its content and another 32 MiB."""
    content = folder.with_name(f"{folder.name}-content")
    shutil.copytree(folder, content, symlinks=True)
    size = sum(path.stat().st_size + 4096 for path in content.rglob("*"))
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size + 2**25}", "tmpfs"):
        shutil.copytree(content, folder, symlinks=True, dirs_exist_ok=True)
        yield


@contextmanager
def filled(folder, free):
    """Fill the disk of a folder up to so many free bytes."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for block in (2**20, 2**12):
            try:
                while True:
                    file.write(bytes(block))
            except OSError:
                pass
    os.truncate(ballast, ballast.stat().st_size - free)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(folder):
    """Make a folder read-only, for root as well."""
    with _mounted(folder, "--bind", folder):
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        yield
