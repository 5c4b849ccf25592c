"""The headers of NEURON are compiled once for a set of mod files, and no set depends on it."""

import pytest

from allenrec.models import nrnivmodl, precompiled_header

#: With as little as a translated mod file can have
MOD_FILES = {"Tiny.mod": b"NEURON {\n  SUFFIX Tiny\n  RANGE gain\n}\nPARAMETER { gain = 2 }\n"}

#: g++ that first does what a test says, and writes the names of the headers that it reads into a file
COMPILER = """#!/bin/sh
case " $* " in *" c++-header "*) {first};; esac
exec g++ -H "$@" 2>> '{record}'
"""

#: A header that g++ compiles, and with which no source of NEURON compiles
HARMFUL = "#define Memb_list 0\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A function that compiles a set. It returns the library, and how many sources were compiled with the compiled header."""
    folder = tmp_path_factory.mktemp("headers")

    def compile_tiny(*, min_files=1, first=":"):
        record, compiler = folder / "headers", folder / "compiler"
        record.write_text("")
        compiler.write_text(COMPILER.format(first=first, record=record))
        compiler.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CXX", str(compiler))
            patch.setattr(nrnivmodl, "MIN_FILES", min_files)
            library = nrnivmodl.compile_library(MOD_FILES, folder / "root with blanks", "here", isolated=False)
        # GCC's -H marks compiled headers that it uses with "!", and those that it does not use with "x".
        return library, record.read_text().splitlines().count("! ./../header/translated.h.gch")

    return compile_tiny


@pytest.fixture(scope="module")
def plain(compiled):
    """The library, compiled without a compiled header, as sets of few files are."""
    library, n_uses = compiled(min_files=len(MOD_FILES) + 1)
    assert n_uses == 0
    return library


def test_all_sources_are_compiled_with_the_header_to_the_same_library(compiled, plain):
    n_sources = len(MOD_FILES) + 1  # the list of mechanisms is one, too
    assert compiled() == (plain, n_sources)


def test_compiler_that_does_not_compile_the_header_does_without(compiled, plain):
    assert compiled(first="exit 1") == (plain, 0)


def test_sources_that_do_not_compile_with_the_header_do_without(compiled, plain, monkeypatch):
    monkeypatch.setattr(precompiled_header, "head_of", lambda _: HARMFUL)
    library, n_uses = compiled()
    assert n_uses > 0 and library == plain


def test_head_of_a_source_ends_with_its_last_include():
    with pytest.raises(ValueError, match="substring not found"):
        precompiled_header.head_of("int i;\n")
    assert precompiled_header.head_of('#define N 1\n#include <a>\n#define M 2\n#include "b"\nint i;\n') == (
        '#include <a>\n#define M 2\n#include "b"\n'
    )
