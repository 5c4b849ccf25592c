"""Build the Dockerfile on a bare Debian, and run the default job and tests in it as an ordinary user: `make test-container`.

The base image is made by debootstrap, so that no registry of images is needed. The default job runs in the image that the
Dockerfile builds without arguments; for the tests, what requirements-test.lock names is added to a container of it. Chosen by
environment variables:

CONTAINER_TESTS    arguments of pytest; the tests that depend most on the system unless set
BUILDAH_ISOLATION  "oci" for containers as Docker and Podman run them, "chroot" for machines that can run none; tried in this
                   order unless set

Needs root, git, debootstrap, buildah with crun or runc, and 5 GB of disk. Downloads of Debian's packages and logs stay in
.fresh/; images go.
Exit code: 0 if all is well, 1 if something failed, 3 if no container can be run here.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

from debian import (
    FRESH,
    NAMESPACE,
    ROOT,
    CannotBeMadeError,
    clone_last_commit,
    last_lines,
    make_debian,
    need,
    proxy_of_apt,
    runs,
    said,
    settings_of_pip,
)

SUITE = "bookworm"
BASE, IMAGE = "localhost/debian-of-debootstrap", "allenrec"
FOLDER = FRESH / "container"
CLONE = FOLDER / "allenrec"
#: An ordinary user, whom the image does not know
USER = "4711:4711"
TESTS = "tests/unit/intracellular tests/unit/libraries tests/unit/recordings tests/workflow/test_default_run.py"

#: crun refuses machines with both versions of control groups, unless it does not see the newer one.
ENTER = 'umount /sys/fs/cgroup/unified 2> /dev/null; exec "$@"'


def buildah(*arguments):
    """Return a command of buildah, with storage of its own."""
    storage = ("--root", FOLDER / "storage", "--runroot", FOLDER / "run")
    return [*NAMESPACE, "--mount-proc", "sh", "-c", ENTER, "sh", "buildah", *storage, *arguments]


def new_container(image):
    """Return the name of a new container of an image."""
    return said(*buildah("from", "--pull-never", image))


def in_container(container, user, *command):
    """Return a command that runs another one in a container, with the clone as /clone."""
    return buildah("run", "--network=host", f"--user={user}", f"--volume={CLONE}:/clone", container, "--", *command)


def make_base():
    """Make the base image: Debian as debootstrap makes it, which reaches the indexes of packages as this machine does."""
    system = FOLDER / "system"
    make_debian(system, SUITE)
    pip = settings_of_pip()
    if "cert" in pip:  # in a place of its own: Debian's certificates take that of make_debian when they are installed
        shutil.copyfile(pip["cert"], system / "etc" / "pip.pem")
        pip["cert"] = "/etc/pip.pem"
    (system / "etc" / "pip.conf").write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in pip.items()))
    if proxy := proxy_of_apt():
        (system / "etc/apt/apt.conf.d/proxy").write_text(f'Acquire::http::Proxy "{proxy}";\n')
    container, log = said(*buildah("from", "scratch")), FRESH / "container-base.log"
    if not (runs(buildah("add", container, system, "/"), log) and runs(buildah("commit", "--rm", container, BASE), log)):
        raise CannotBeMadeError(f"buildah could not make the base image; {log} ends with: {' | '.join(last_lines(log, 3))}")
    shutil.rmtree(system)


def choose_isolation():
    """Choose how containers are isolated here, and say so."""
    asked, log = os.environ.get("BUILDAH_ISOLATION"), FRESH / "container-isolation.log"
    for isolation in [asked] if asked else ["oci", "chroot"]:
        os.environ["BUILDAH_ISOLATION"] = isolation
        if runs(in_container(new_container(BASE), USER, "true"), log):
            print(f"Containers are isolated as {isolation}.")
            return
    raise CannotBeMadeError(f"buildah can run no container; {log} ends with: {' | '.join(last_lines(log, 3))}")


def well(what, log, command):
    """Run a command, print how it ended, and return whether it ended well."""
    log, start = FRESH / f"container-{log}.log", time.monotonic()
    passed = runs(command, log)
    ended = f"{'passed' if passed else 'FAILED'} after {time.monotonic() - start:.0f} s"
    print(f"{what}: {ended}; {log.relative_to(ROOT)} ends with")
    print(*(f"  {line}" for line in last_lines(log, 1 if passed else 20)), sep="\n")
    return passed


def build():
    """Build the Dockerfile on the base image; return whether it was built."""
    options = ("--pull-never", "--layers", "--network=host", f"--build-arg=BASE={BASE}", f"--tag={IMAGE}")
    return well("build", "build", buildah("build", *options, CLONE))


def all_well():
    """Make a folder for images, test them, and remove it; return whether all ended well."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        clone_last_commit(CLONE)
        subprocess.run(["chown", "-R", USER, CLONE], check=True)
        make_base()
        choose_isolation()
        return image_works() and tests_pass()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def image_works():
    """Build the image and run the default job in it; return whether both ended well."""
    return (
        build()
        and well("snakemake", "snakemake", in_container(new_container(IMAGE), USER, "snakemake"))
        and (CLONE / "results" / "report.html").is_file()
    )


def tests_pass():
    """Add the packages of the tests to a container of the image, and run tests in it; return whether both ended well.

    An image of its own for the tests would take twice the disk.
    """
    tests, container = os.environ.get("CONTAINER_TESTS", TESTS).split(), new_container(IMAGE)
    install = ("pip", "install", "--no-cache-dir", "--require-hashes", "-r", "/clone/requirements-test.lock")
    pytest = ("pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *tests)
    return well("packages of the tests", "packages", in_container(container, "0:0", *install)) and well(
        " ".join(["pytest", *tests]), "pytest", in_container(container, USER, *pytest)
    )


def main():
    """Test the image; exit with a code that says how it went."""
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the images go
    try:
        need("debootstrap", "git", "buildah")
        passed = all_well()
    except CannotBeMadeError as error:
        print(f"NOT TESTED in a container: {error}", file=sys.stderr)
        sys.exit(3)
    print("All is well in the container." if passed else "FAILED in the container.")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
