"""A person's mistakes through the real `snakemake`: one line, exit code 1, and no job started."""

import subprocess
import sys

import pytest
import yaml
from workflow.snake import clean_environment, copy_workflow, snakemake

PROFILE_LINE = "Using workflow specific profile profiles/default for setting default command line arguments."
HEADER = "model_id\tspecimen_id\tcell_type\n"


@pytest.fixture
def folder(tmp_path):
    return copy_workflow(tmp_path / "work flow")


def configure(folder, *changes):
    """Put values at paths of the default configuration, as in ("libraries/neuronexus/n", 3)."""
    path = folder / "config" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for keys, value in changes:
        *blocks, key = keys.split("/")
        place = config
        for block in blocks:
            place = place[block]
        place[key] = value
    path.write_text(yaml.safe_dump(config))


def refused(folder, *arguments):
    """The one line that a person reads."""
    result = snakemake(folder, *arguments)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if line != PROFILE_LINE]
    assert line.startswith("error: ")
    assert result.stdout == "" and "Traceback" not in result.stderr
    assert not (folder / "results").exists() and not list((folder / ".snakemake").glob("metadata/*"))
    assert [path.name for path in (folder / "allen_models").iterdir()] == ["README.md"]
    return line.removeprefix("error: ")


BAD_VALUES = [
    ("sed", 1, "sed: unknown key; did you mean 'seed'?"),
    ("libraries/neuronexus/n", "fifty", "libraries.neuronexus.n: 'fifty' must be an integer"),
    ("recordings", None, "recordings: None must be a block of keys"),
    ("libraries/neuronexus/xlim", [80, 10], "libraries.neuronexus.xlim: "),
    (
        "libraries/neuronexus/probe",
        "Neuronexus",
        "libraries.neuronexus.probe: 'Neuronexus' is not a probe; did you mean 'Neuronexus-32'? known are ",
    ),
    ("recordings/demo/library", "tetrode", "recordings.demo.library: 'tetrode' is not in `libraries`"),
    ("recordings/demo/templates/min_amp", 300, "recordings.demo.templates.min_amp: "),
    ("recordings/demo/recordings/noise_level", float("nan"), "noise_level: nan must be a finite number"),
    ("libraries", {}, "libraries: {} must be "),
    ("recordings/a b", {"library": "neuronexus"}, "recordings.a b: 'a b' must be a name"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD_VALUES, ids=[case[0] for case in BAD_VALUES])
def test_bad_configuration(folder, key, value, expected):
    configure(folder, (key, value))
    text = refused(folder)
    assert text.startswith("config: ") and expected in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"seed: 1\nseed: 2\n", "line 2: the key 'seed' is in line 1 already"),
        (b"a: " + b"[" * 700 + b"]" * 700, "nested more than 20 levels deep"),
        (b"a: \xe9\n", "not text in UTF-8"),
    ],
    ids=["twice", "deep", "Latin-1"],
)
def test_file_that_would_be_misread(folder, content, expected):
    """It is checked before Snakemake reads it, which would take the last key, or end in a traceback."""
    (folder / "config" / "config.yaml").write_bytes(content)
    text = refused(folder)
    assert text.startswith("config/config.yaml") and expected in text


def test_sizes_and_models_that_are_left_out_are_checked_before_the_run(folder):
    configure(folder, ("recordings/demo/spiketrains/n_exc", 1_000_000))
    assert "recordings.demo: takes about" in refused(folder, "-n")
    configure(folder, ("recordings/demo/spiketrains/n_exc", 5), ("models/leave_out", [4711]))
    assert refused(folder, "-n") == "config: models.leave_out: '4711' is not a model_id of the cell table"


def test_numbers_of_the_command_line_count_as_numbers(folder):
    """Snakemake makes text of them. A recording may have any name, also that of nothing."""
    value = "recordings={none: {library: neuronexus, spiketrains: {duration: 1.5, n_exc: 1}, format: [mearec, binary]}}"
    result = snakemake(folder, "-n", "--config", value)
    assert result.returncode == 0, result.stderr
    assert "recordings/none/recording.h5" in result.stdout and "recordings/demo/recording.h5" in result.stdout


def test_bad_value_on_the_command_line(folder):
    result = snakemake(folder, "--config", "seed=zero")
    assert result.returncode == 1 and not (folder / "results").exists()
    assert result.stderr.splitlines()[-1] == "error: config: seed: 'zero' must be an integer"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (HEADER + "473863510\t\t\n473863510\t\t\n", "line 3: model_id 473863510 is in line 2 already"),
        ("id\tcell_type\n473863510\tspiny\n", "neither a column 'model_id' nor 'specimen_id'"),
        (None, "no such cell table (config: cells)"),
    ],
    ids=["model twice", "missing column", "no file"],
)
def test_bad_cell_table(folder, table, expected):
    if table is not None:
        (folder / "config" / "mine.tsv").write_text(table)
    configure(folder, ("cells", "config/mine.tsv"))
    text = refused(folder, "-n")
    assert text.startswith("config/mine.tsv") and expected in text


def test_cell_table_that_is_no_file(folder):
    configure(folder, ("cells", "config/cells.tsv/mine.tsv"))
    assert "config/cells.tsv/mine.tsv" in refused(folder)


def test_a_snakemake_that_is_too_new_is_one_line(folder):
    code = "import snakemake; snakemake.__version__ = '10.0.1'; from snakemake.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "-n"], cwd=folder, env=clean_environment(), capture_output=True, text=True
    )
    expected = "error: Snakemake 10.0.1: this workflow needs a version below 10, as requirements.lock has"
    assert result.returncode == 1 and result.stderr.splitlines()[-1] == expected


def test_default_configuration_passes(folder):
    """The control: the same folder without a mistake, a path with a space, an environment that is not activated."""
    result = snakemake(folder, "-n")
    assert result.returncode == 0, result.stderr
    assert "generate_recording" in result.stdout and not (folder / "results").exists()


def test_unusual_configuration_passes(folder):
    """Two probes, a recording of each, an own cell table with an extra column: a job for each of them."""
    (folder / "mine.tsv").write_text("layer\t" + HEADER + "5\t473863510\t\t\n2/3\t473863035\t318808427\tL2/3 PC\n")
    configure(
        folder,
        ("cells", "mine.tsv"),
        ("libraries/second-1", {"probe": "tetrode", "sigma": [0.3, 0.3, 0.4], "xlim": None}),
        ("recordings/noise", {"library": "second-1", "spiketrains": {"n_exc": 0, "n_inh": 0}}),
    )
    result = snakemake(folder, "-n", "--quiet", "rules")
    assert result.returncode == 0, result.stderr
    counts = dict(line.split()[:2] for line in result.stdout.splitlines() if line.startswith(("sim", "comp", "conc", "gen")))
    assert counts == {
        "compile_library_kernels": "1",
        "compile_recording_kernels": "1",
        "simulate_spikes": "2",
        "compile_mechanisms": "2",
        "compute_eaps": "4",
        "concatenate_library": "2",
        "generate_recording": "2",
    }


#: A key that is Python, which leaves a file when it runs
CODE_KEY = "\"?if open('ran', 'w').close() is not None\""

#: Ways to write what makes Snakemake run it
WAYS = {
    "plain": "__use_yte__: true\n",
    "quoted": '"__use\\x5fyte__": yes\n',
    "alias": "seed: &name 1\nrecordings: {}\n? !!str __use_yte__\n: *name\n",
    "merged": "<<: {__use_yte__: 1}\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_python_in_the_configuration_is_refused_before_it_runs(way, folder):
    path = folder / "config" / "config.yaml"
    rest = path.read_text()
    rest = rest if way != "alias" else "libraries: {}\n"
    path.write_text(f"{WAYS[way]}{rest}\n{CODE_KEY}: {{seed: 1}}\n")
    expected = (
        "config/config.yaml: with `__use_yte__` the file has Python in it, and Snakemake would run it; take it out, or set"
    )
    assert refused(folder, "-n").startswith(expected)
    assert not (folder / "ran").exists()


def test_python_in_another_configuration_file_is_refused(folder):
    """Snakemake has run it by then; the message says so."""
    (folder / "other.yaml").write_text(f"__use_yte__: true\n{CODE_KEY}: {{seed: 1}}\n")
    assert "Snakemake has run it already" in refused(folder, "-n", "--configfile", "other.yaml")


def test_python_in_the_configuration_runs_if_the_environment_permits_it(folder):
    """The same code as above: so it would have run."""
    path = folder / "config" / "config.yaml"
    path.write_text(f"__use_yte__: true\n{path.read_text()}\n{CODE_KEY}: {{seed: 1}}\n")
    result = snakemake(folder, "-n", environment={"ALLENREC_ALLOW_YTE": "1"})
    assert (folder / "ran").exists() and result.returncode == 0, result.stderr


def test_word_elsewhere_in_the_configuration_is_no_code(folder):
    """YTE looks at the top level only; the schema refuses the key."""
    configure(folder, ("libraries/neuronexus/__use_yte__", True))
    assert "libraries.neuronexus.__use_yte__: unknown key" in refused(folder, "-n")
