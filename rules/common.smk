# The parts that all stages share: the validated configuration, the cell table, wildcards, and helpers of rules. No rules here.

import gc
import os
import re
import sys
from functools import partial
from pathlib import Path

# This lets jobs find nrnivmodl and pip of this environment also if it is not activated, and on remote machines.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))

from allenrec.cells.query import load_cell_table
from allenrec.cells.table import check_cell_type_column, check_left_out
from allenrec.common import code_digest as code
from allenrec.common.errors import UserError
from allenrec.common.permissions import require_readable_folders, require_writable_records
from allenrec.settings import load_configuration
from allenrec.settings.input_files import input_files, stamps
from allenrec.settings.job_params import job_params, row_params, with_known_signature
from allenrec.settings.recordings.formats import FORMATS
from allenrec.settings.sizes import check_sizes, library_sizes, memory_of_machine

# While Snakemake plans, it makes many objects that stay. To look for garbage among them takes an eighth of a dry run of 1,000
# cells, so Python does it less often.
gc.set_threshold(200_000, 20, 100)

#: Whether this is the run of the user: jobs on a cluster are runs of Snakemake as well
IS_MAIN_RUN = "--target-jobs" not in sys.argv
#: Whether jobs may run on other machines, as the profile of a cluster says
OTHER_MACHINES = any(argument.startswith(("-e", "--exec", "--prof", "--workflow-prof")) for argument in sys.argv[1:])
#: Whether this is the run of the user, and all jobs run on this machine
ONE_MACHINE = IS_MAIN_RUN and not OTHER_MACHINES


def n_contacts(name):
    """Return the number of contacts of a library; 1 where it is not known yet."""
    library = settings.libraries[name]
    try:
        # These take too long for every start.
        if library.probe:
            from allenrec.probes import load_probe

            return len(load_probe(library.probe, 1).positions)
        from allenrec.libraries.template_files import count_contacts

        return count_contacts(library.templates)
    except UserError:
        return 1


with mistakes_in_one_line():
    if " " in sys.executable:  # Snakemake does not quote it
        raise UserError(f"{sys.executable}: Snakemake needs a path without spaces; move the environment to one")
    settings, studies = load_configuration(config, workflow.config_settings.config)
    rows = load_cell_table(
        settings.cells,
        settings.models,
        # `snakemake query` asks the question, so it runs before the table exists.
        query_pending=any(re.fullmatch(r"(\w+_)?query", argument) for argument in sys.argv[1:]),
    )
    check_cell_type_column(rows, settings.cell_type_column)
    check_left_out(rows, settings.models.leave_out)
    cells = {row.model_id: row.columns() for row in rows if row.model_id not in settings.models.leave_out}
    cell_types = [row.get(settings.cell_type_column) or "" for row in cells.values()]
    if rows and not cells:
        raise UserError("config: models.leave_out: no model of the cell table is left")
    if IS_MAIN_RUN:
        require_writable_records()
        # Snakemake looks for files in them while it plans: of recordings and libraries two levels down, of models one.
        require_readable_folders([settings.pathvars.results], levels=2)
        require_readable_folders([settings.pathvars.models, settings.pathvars.cell_models], levels=1)
        check_sizes(
            settings,
            cell_types,
            n_contacts,
            Path(settings.pathvars.results),
            memory=None if OTHER_MACHINES else memory_of_machine(),
        )
if IS_MAIN_RUN and (merged := what_is_merged()):
    print(f"note: {merged}", file=sys.stderr)


#: The libraries whose templates are computed, from the cells
COMPUTED = [name for name, library in settings.libraries.items() if library.templates is None]
#: It stands where there is no recording; none can have it, because names begin with a letter or a digit
NO_NAME = "-"


wildcard_constraints:
    model="[A-Za-z0-9_][A-Za-z0-9_.-]*",
    library="|".join(settings.libraries),
    recording="|".join(map(re.escape, settings.recordings)) or NO_NAME,
    study="|".join(studies) or NO_NAME,
    sorter="|".join(settings.evaluation.sorters),


#: The `params` of a rule that uses parts of the settings; see `job_params`
as_params = partial(job_params, settings)


def code_digest(script, *modules):
    """Return the digest of the code of a job, for `params`: the job runs again when its code changes."""
    return f"code: {code.code_digest(SCRIPTS, script, *modules)}"


def verified_file(model):
    """Return the file that says that a model is complete and checked; ids of digits are the Allen Institute's."""
    fetched_by = rules.download_model if model.isdigit() else rules.download_cell_model
    return fetched_by.output[0].format(model=model)


def model_folder(model):
    """Return the folder of a model."""
    return Path(verified_file(model)).parent


@with_known_signature
def consent(wildcards):
    """Return the user's consent to a model that is code, for `params`: its digest by its id."""
    return {name: digest for name, digest in settings.models.trusted.items() if name == wildcards.model}


def named_files(block):
    """Return the files that a block of the settings names, as inputs of a rule. A `prefix:` of a module does not move them."""
    return [local(path) for path in input_files(block).values()]


def own_file(path):
    """Return the path of a file of this workflow, as an input of a rule."""
    return local(os.path.relpath(SCRIPTS.parent / path))


def formats_of(names):
    """Return the files and folders of recordings, in all of their formats."""
    return [f"<results>/recordings/{name}/{FORMATS[key].path}" for name in names for key in settings.recordings[name].format]


def group_of_many(name):
    """Return the group of a rule with an input for each model; none on one machine.

    Whenever an input of a job in a group is made, Snakemake goes through all of its inputs: a fifth of a dry run of 1,000 cells.
    """
    return None if ONE_MACHINE else name


def mem_mb(base):
    """Return the memory of a job, MB; see `growing`."""
    return growing(base)


def runtime(base):
    """Return the time limit of a job, minutes; see `growing`."""
    return growing(base)


def growing(base):
    """Return a function for a resource that grows with each attempt; on one machine, which has no limits of jobs, its value.

    To call a function for each job takes a fifteenth of a dry run of 1,000 cells.
    """
    return base if ONE_MACHINE else with_known_signature(lambda wildcards, attempt: base * attempt)
