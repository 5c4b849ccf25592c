# What all stages share: the validated configuration, the cell table, wildcards, and helpers of rules. No rules here.

import os
import re
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

# nrnivmodl and pip of this environment are found also where it is not activated, and in remote jobs.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

from allenrec.cells.query import answered_cells
from allenrec.cells.table import check_cell_type_column
from allenrec.common import code_digest as code
from allenrec.common.errors import UserError
from allenrec.settings import load_settings
from allenrec.settings.input_files import input_files
from allenrec.settings.job_params import job_params, row_params


@contextmanager
def mistakes_in_one_line():
    """End the run with one line if the user made a mistake."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


with mistakes_in_one_line():
    if " " in sys.executable:  # Snakemake does not quote it
        raise UserError(f"{sys.executable}: Snakemake needs a path without spaces; move the environment to one")
    settings = load_settings(config)
    rows = answered_cells(
        settings.cells.model_dump(),
        settings.models.kind,
        settings.models.allen.model_dump(exclude={"parallel"}),
        # The command that asks the question may run before there is an answer.
        to_be_asked=any(re.fullmatch(r"(\w+_)?query", argument) for argument in sys.argv[1:]),
    )
    check_cell_type_column(rows, settings.cell_type_column)
    cells = {row["model_id"]: row for row in rows if row["model_id"] not in settings.models.leave_out}
    if rows and not cells:
        raise UserError("config: models.leave_out: no model of the cell table is left")


wildcard_constraints:
    model="[0-9]+",
    library="|".join(settings.libraries),
    recording="|".join(settings.recordings) or "none",
    sorter="|".join(settings.evaluation.sorters),


#: What belongs to this run; see `note_as_planned`
planned = set()

#: The `params` of a rule that uses parts of the settings; see `job_params`
as_params = partial(job_params, settings)


def code_digest(script, *modules):
    """Return the digest of the code of a job, for `params`: the job runs again when its code changes."""
    return f"code: {code.code_digest(SCRIPTS, script, *modules)}"


def named_files(block):
    """Return the files that a block of the settings names, as inputs of a rule. A `prefix:` of a module does not move them."""
    return [local(path) for path in input_files(block).values()]


def own_file(path):
    """Return the path of a file of this workflow, as an input of a rule."""
    return local(os.path.relpath(SCRIPTS.parent / path))


def note_as_planned(*job):
    """Note that a job belongs to this run, and return no files: Snakemake calls the input functions of such jobs only."""
    planned.add(job)
    return []


def mem_mb(base):
    """Return memory that grows with each attempt."""
    return lambda wildcards, attempt: base * attempt


def runtime(base):
    """Return minutes that grow with each attempt."""
    return lambda wildcards, attempt: base * attempt


def figures_at(folder, *names):
    """Outputs where figures are drawn: each of them, also for `snakemake --report`, and `captions`, the text beside each."""
    kind = folder.split("/")[0]
    pictures = {
        name: report(
            ensure(f"<results>/figures/{folder}/{name}.png", non_empty=True),
            caption=f"../scripts/allenrec/figures/captions/{kind}/{name}.rst",
            category=kind.capitalize(),
            subcategory=folder.split("/", 1)[1],
            labels={"figure": name.replace("_", " ")},
        )
        for name in names
    }
    return pictures | {"captions": [f"<results>/figures/{folder}/{name}.txt" for name in names]}
