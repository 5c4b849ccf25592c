# Code in configuration files, refused before `configfile:` reads them: Snakemake runs the Python in a YAML file that says
# `__use_yte__: true`. Files of `--configfile` are read before any line of the workflow, so they can be refused only afterwards.

import sys
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from allenrec.common.errors import UserError
from allenrec.settings.code_in_files import refuse_code


@contextmanager
def mistakes_in_one_line():
    """End the run with one line if the user made a mistake."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


with mistakes_in_one_line():
    for path in workflow.configfiles:
        refuse_code(path, was_read=True)
    # A workflow that uses this one as a module gives it a configuration, so that the file is not read.
    if not workflow.modifier.skip_configfile:
        refuse_code("config/config.yaml")
