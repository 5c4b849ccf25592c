"""What runs is what was checked: through the real `snakemake`, with a model that changes and a server with a password."""

import base64
import json
import shutil

import yaml
from allen_server import AllenServer, archive_of
from workflow.snake import snakemake

from allenrec.cells.table import read_cells
from allenrec.common.isolation import missing_isolation

MODEL = "473863510"
SPIKES = f"results/intracellular/{MODEL}.h5"


def test_code_that_a_mod_file_gets_after_the_run_never_runs(finished, tmp_path):
    """A copy of the finished run, whose model is simulated once more."""
    folder = shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    approval = json.loads((folder / "results" / "mechanisms" / f"{MODEL}.json").read_text())
    assert len(approval["library"]) == len(approval["digest"]) == 64
    log, missing = (folder / "results" / "logs" / "models" / MODEL / "simulate_spikes.log").read_text(), missing_isolation()
    # An ordinary user in a chroot, for example, cannot leave the network, and is told so.
    assert ("note: NEURON is not kept from" in log) == bool(missing) and missing in log
    models = {row.model_id for row in read_cells(folder / "config" / "cells.tsv")}
    assert {path.name for path in (folder / SPIKES).parent.iterdir()} == {f"{model}.h5" for model in models}
    before = (folder / SPIKES).read_bytes()

    path = folder / "allen_models" / f"neuronal_model_{MODEL}" / "modfiles" / "Ih.mod"
    text = path.read_text()
    path.write_text(text + f'VERBATIM\nstatic int ran = system("touch {folder / "ran"}");\nENDVERBATIM\n')
    (folder / SPIKES).unlink()
    result = snakemake(folder, "--cores", "1", SPIKES)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    expected = "Ih.mod was changed after it was checked; check the model again with `snakemake --forcerun download_model`"
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ") and line.endswith(expected)]
    assert not (folder / SPIKES).exists() and not (folder / "ran").exists()

    path.write_text(text)
    assert snakemake(folder, "--cores", "1", SPIKES).returncode == 0
    assert (folder / SPIKES).read_bytes() == before


def test_password_of_the_server_is_in_no_file_and_in_no_output(workflow, models_folder):
    """Everything below the folder is searched, but for the configuration that has the password."""
    folder = workflow("trust")
    (folder / "config" / "cells.tsv").write_text(f"model_id\tcell_type\n{MODEL}\t\n")
    server = AllenServer()
    server.archives[MODEL] = archive_of(models_folder / f"neuronal_model_{MODEL}")
    url = server.url.replace("//", "//me:Secret7%21@")
    (folder / "change.yaml").write_text(yaml.safe_dump({"models": {"sources": ["allen"], "allen": {"url": url}}}))
    result = snakemake(folder, "--configfile", "change.yaml", "--cores", "1", "models", "results/config.yaml")
    server.close()
    assert result.returncode == 0, result.stderr
    assert server.logins == ["Basic " + base64.b64encode(b"me:Secret7!").decode()]
    assert yaml.safe_load((folder / "results" / "config.yaml").read_text())["models"]["allen"]["url"] == server.url
    assert "Secret7" not in result.stdout + result.stderr
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "change.yaml"]
    assert [path for path in files if b"Secret7" in path.read_bytes()] == []
