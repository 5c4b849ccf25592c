"""Packages that are loaded when they are first used."""

from support import run_python

USE_LATER = """
import json, sys
from allenrec.common.lazy_imports import import_when_used
import_when_used("requests")
import_when_used("no_such_package")
import probeinterface, requests
before = "urllib3" in sys.modules
loaded = issubclass(requests.Timeout, requests.RequestException) and "urllib3" in sys.modules
import requests.adapters
import_when_used("requests")
print(json.dumps([before, loaded, requests.adapters.HTTPAdapter.__module__, "no_such_package" in sys.modules]))
"""


def test_a_package_is_loaded_when_one_of_its_names_is_used():
    """Probeinterface, which downloads probes with it, imports it at once."""
    assert run_python(USE_LATER) == [False, True, "requests.adapters", False]
