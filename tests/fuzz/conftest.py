"""How long the search for wrong input takes: seconds in `make test`, with the same examples; longer in `make fuzz`."""

import os

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="requirements-test.lock does not have hypothesis yet")

#: What all runs share: no example is too slow for a busy machine, and fixtures that only read files may be shared by examples.
SHARED = {
    "deadline": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
}
hypothesis.settings.register_profile("test", max_examples=150, derandomize=True, database=None, **SHARED)
hypothesis.settings.register_profile("fuzz", max_examples=int(os.environ.get("EXAMPLES", 20_000)), **SHARED)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
