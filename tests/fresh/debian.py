"""Bare Debian systems, made by debootstrap from this machine's mirror; `fresh.py` and `container.py` use them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Downloads, logs, and systems while they are needed
FRESH = ROOT / ".fresh"

#: Each command has its own mounts and processes, which end with it: a later `rm` finds none to follow.
NAMESPACE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


class CannotBeMadeError(Exception):
    """A system cannot be made on this machine."""


def needed_packages():
    """Return the packages that the README tells people to install."""
    return re.search(r"`apt install ([a-z0-9+. -]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))[1].split()


def need(*tools):
    """Raise CannotBeMadeError unless this process is root's and these tools are installed."""
    if os.geteuid() != 0:
        raise CannotBeMadeError(f"root is needed, for {tools[0]} and chroot")
    if missing := [tool for tool in tools if not shutil.which(tool)]:
        raise CannotBeMadeError(f"{missing[0]} is needed (Debian: apt install {' '.join(missing)})")


def said(*command):
    """Return what a command prints; nothing where it fails or is not there."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def runs(command, log):
    """Run a command with its output in a log; return whether it ended well."""
    with open(log, "w", encoding="utf-8") as output:
        return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode == 0


def last_lines(log, number):
    """Return the last lines of a log."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-number:]


def mirror():
    """Return where this machine has Debian's packages from, as a list; empty, for debootstrap's default, if it does not say."""
    targets = said("apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    return [line.split()[-1] for line in targets.splitlines() if line.startswith("Debian main ")][:1]


def proxy_of_apt():
    """Return the proxy through which this machine reaches its mirror; "" if there is none."""
    return said("apt-config", "dump", "--format", "%v", "Acquire::http::Proxy")


def settings_of_pip():
    """Return how pip reaches its index on this machine, as far as it is not pip's default."""
    listed = (line.partition("=") for line in said(sys.executable, "-m", "pip", "config", "list").splitlines())
    found = {name.rpartition(".")[2]: value.strip("'") for name, _, value in listed}
    return {name: found[name] for name in ("cert", "index-url", "proxy", "trusted-host") if name in found}


def make_debian(system, suite, packages=()):
    """Make a bare system in a folder, which reaches the network as this machine does; raise CannotBeMadeError if it fails."""
    cached = FRESH / "packages" / suite
    cached.mkdir(parents=True, exist_ok=True)
    options = ["--variant=minbase", f"--cache-dir={cached}"] + ([f"--include={','.join(packages)}"] if packages else [])
    proxy = proxy_of_apt()
    through = ["env", f"http_proxy={proxy}"] if proxy else []
    log = FRESH / f"{suite}.log"
    if not runs([*NAMESPACE, *through, "debootstrap", *options, suite, system, *mirror()], log):
        raise CannotBeMadeError(f"debootstrap failed; {log} ends with: {' | '.join(last_lines(log, 3))}")
    for path in filter(os.path.exists, ("/etc/resolv.conf", "/etc/hosts", settings_of_pip().get("cert", ""))):
        os.makedirs(os.path.dirname(f"{system}{path}"), exist_ok=True)
        shutil.copyfile(path, f"{system}{path}")


def clone_last_commit(folder):
    """Clone the last commit of this repository, and say so if that is not all there is."""
    if said("git", "-C", str(ROOT), "status", "--porcelain"):
        print("Changes that are not committed are not tested.")
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", folder], check=True)
