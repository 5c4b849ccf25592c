"""Configuration files, checked before Snakemake reads them."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from allenrec.common.errors import UserError
from allenrec.common.plain_files import (
    MOST_DIGITS,
    MOST_LEVELS,
    TOO_LONG,
    check_events,
    not_yaml,
    read_text,
    without_repeats,
    yaml_events,
)

from .code_in_files import refuse_code

#: How a configuration begins
BEGINS = "a configuration begins with a key, such as `libraries:`"


def check_config_file(path: str | Path, *, was_read: bool = False) -> None:
    """Refuse a configuration file that has code in it, or is not read as a person means it, before Snakemake reads it.

    Parameters
    ----------
    path : path
        A file in YAML or JSON.
    was_read : bool
        Whether Snakemake has read the file already.

    Raises
    ------
    UserError
        One line with the file and the line: the file is not text in UTF-8 or not YAML, has Python in it that Snakemake runs, a
        key is there twice, a number would be read as another one, or values are nested too deep, in themselves or too often.
    """
    text = read_text(path)
    try:
        values = json.loads(
            text, object_pairs_hook=lambda pairs: without_repeats(path, pairs), parse_int=partial(_number, path)
        )
    except RecursionError:
        raise UserError(f"{path}: nested more than {MOST_LEVELS} levels deep") from None
    except ValueError:  # it is not JSON
        events = yaml_events(path, text)
        refuse_code(path, _as_yte_reads_it(text), was_read=was_read)
        check_events(path, events, BEGINS)
        try:
            yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, TypeError) as error:
            raise not_yaml(path, error) from None
    else:
        if not isinstance(values, dict):
            raise UserError(f"{path}: {BEGINS}")


def _as_yte_reads_it(text: str) -> Any:
    """Return what YTE, which runs Python in a file, finds in a text; None if it cannot read it, so that it runs nothing."""
    try:
        return yaml.load(text, Loader=yaml.FullLoader)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError):
        return None


def _number(path: str | Path, digits: str) -> int:
    """Return the whole number of JSON with these digits."""
    if len(digits) > MOST_DIGITS:
        raise UserError(f"{path}: {TOO_LONG.format(len(digits))}")
    return int(digits)
