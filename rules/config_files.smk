# The configuration files are checked before `configfile:` reads the default one. Those of `--configfile` are read before any line
# of the workflow, so they can be refused only afterwards. No rules here.

import sys
from contextlib import contextmanager
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

from snakemake.common.configfile import load_configfile

from allenrec.common.errors import UserError
from allenrec.settings.config_files import check_config_file
from allenrec.settings.merged_files import describe_merge


@contextmanager
def mistakes_in_one_line():
    """End the run with one line if the user made a mistake."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")


# A file of `--configfile` may say that it takes the place of the default one.
if workflow.config_settings.overwrite_config.get("stands_alone") is True:
    workflow.config_settings.replace_workflow_config = True

# A workflow that uses this one as a module may give the configuration itself.
DEFAULT_CONFIG = [] if workflow.modifier.skip_configfile else [Path("config/config.yaml")]

with mistakes_in_one_line():
    if DEFAULT_CONFIG and not DEFAULT_CONFIG[0].exists() and not workflow.config_settings.overwrite_config:
        raise UserError(f"{DEFAULT_CONFIG[0]}: no such file; the repository has one to begin with")
    for file in DEFAULT_CONFIG:
        if file.exists():
            check_config_file(file)
    for file in workflow.config_settings.configfiles:
        # Pipes, as of `--configfile <(...)`, cannot be read again.
        if file.is_file():
            check_config_file(file, was_read=True)


def what_is_merged():
    """Return a line for the user on what this run has of the default file, over which another one is merged; "" if nothing."""
    command_line, here = workflow.config_settings, Path.cwd()
    if command_line.replace_workflow_config or not all(file.exists() for file in DEFAULT_CONFIG):
        return ""
    files = [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in command_line.configfiles]
    return "".join(
        describe_merge(str(file), load_configfile(file), command_line.overwrite_config, files) for file in DEFAULT_CONFIG
    )
