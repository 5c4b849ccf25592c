#!/bin/sh
# Install what a lock file names into a virtual environment: envs/install.sh FOLDER LOCK MEGABYTES, from the root of the clone. PYTHON
# names the interpreter. What is missing is said in one line, with the Debian packages that bring it, before anything is fetched.
set -eu
environment=$1 lock=$2 megabytes=$3
python=${PYTHON:-python3}

stop() {
  echo "error: $*" >&2
  exit 1
}

case $PWD in *[[:space:]]*) stop "Snakemake needs a path without spaces, unlike $PWD: move the clone" ;; esac
[ -w . ] || stop "$PWD: no permission to write there, or a file system that is read-only"

missing=
# Debian's package for the virtual environments of python3 brings Python itself; a Python of another origin has them.
if ! command -v "$python" > /dev/null; then
  [ "$python" = python3 ] || stop "PYTHON=$python: there is no such program"
  missing=" python3-venv"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
  version=$("$python" --version 2>&1 | head -n 1) || true
  stop "Python 3.11 or later is needed; $python is $version. Name another, as in make PYTHON=python3.12"
elif ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
  missing=" ${python##*/}-venv"
fi
compiler=${CXX:-g++}
command -v "${compiler%% *}" > /dev/null || missing="$missing g++"
for tool in make perl; do # nrnivmodl stops without perl, which every Debian has
  command -v "$tool" > /dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || stop "missing here:$missing. On Debian or Ubuntu, as root: apt install$missing"

free=$(df -Pm . | awk 'NR == 2 { print $4 }')
there=$(du -sm "$environment" 2> /dev/null | cut -f 1)
[ "$free" -ge "$((megabytes - ${there:-0}))" ] || stop "$environment takes $megabytes MB, but only $free MB are free in $PWD"

# One that was left half made, or does not work (the clone was moved, its Python is gone), is made anew.
unfinished=$environment/unfinished
if [ -e "$unfinished" ] || ! "$environment/bin/pip" --version > /dev/null 2>&1; then
  echo "Making $environment with $("$python" --version 2>&1) ..."
  "$python" -m venv --clear "$environment" || stop "$environment: Python could not make a virtual environment (above)"
fi
touch "$unfinished"
echo "Installing $lock into $environment: $megabytes MB of disk, a minute or two ..."
# The lock names everything, so nothing is resolved; Python compiles what is used when it is used, not all that is installed.
# --use-pep517 builds the one package without a wheel as every new pip does; the pip of Debian 12 warns of its old way otherwise.
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --use-pep517 --require-hashes -r "$lock" ||
  stop "pip could not install $lock (above); the same command once more tries again"
# Its Python finds the package of this clone, as if it was installed.
for packages in "$environment"/lib/python3*/site-packages; do
  [ ! -d "$packages" ] || echo "$PWD/scripts" > "$packages/allenrec.pth"
done
rm "$unfinished"
