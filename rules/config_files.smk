# The configuration files are checked before `configfile:` reads the default one. Those of `--configfile` are read before any line
# of the workflow, so they can be refused only afterwards. No rules here.

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.sourcecache import HostingProviderFile, LocalSourceFile


def folder_of_workflow(rules):
    """Return the folder of this workflow; `rules` is that of its rules, for Snakemake.

    Where Snakemake reads the workflow from a repository on the web (`github(...)`), it fetches single files, but scripts import a
    package. Snakemake has a bare clone then, from which the commit is copied.
    """
    if isinstance(rules, LocalSourceFile):
        return Path(rules).parent
    if not isinstance(rules, HostingProviderFile):
        sys.exit(
            f"error: this workflow cannot be read from {rules.get_path_or_uri(secret_free=True)}: clone it, and name its Snakefile"
        )
    repository = rules.hosted_repo.repo
    commit = repository.commit(rules.ref).hexsha
    folder = Path(".snakemake", "allenrec", commit).absolute()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
            archive, copy = Path(unfinished, "commit.tar"), Path(unfinished, "commit")
            with open(archive, "wb") as file:
                repository.archive(file, commit)
            shutil.unpack_archive(archive, copy)
            try:
                copy.rename(folder)
            except OSError:
                if not folder.exists():  # otherwise another run was faster
                    raise
    return folder


SCRIPTS = folder_of_workflow(workflow.current_basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))
#: Where Python looks for packages first. Jobs inherit it: they import this one, not another one that their environment has.
PACKAGES = "PYTHONPATH"
os.environ |= {PACKAGES: os.pathsep.join([str(SCRIPTS), *filter(None, [os.environ.get(PACKAGES)])])}

from allenrec.common.errors import UserError
from allenrec.common.processes import describe_exception
from allenrec.settings.config_files import check_config_file
from allenrec.settings.merged_files import describe_merge

#: The mistake that ends this run, if there is one
MISTAKES = []


@contextmanager
def mistakes_in_one_line():
    """End the run with one line if the user made a mistake, or may not read a file."""
    try:
        yield
    except (UserError, OSError) as error:
        MISTAKES.append(error)
        sys.exit(f"error: {describe_exception(error)}")


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
