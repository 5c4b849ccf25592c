"""Probes: contacts, and the points on them where potentials are evaluated."""

from .contact_mean import FINE_FROM
from .probe import (
    PLANES,
    Probe,
    contact_points,
    describe_probe,
    half_sizes,
    layout_from_text,
    layout_to_text,
    probe_from_layout,
)
from .sources import as_probe, load_probe, probe_from_meautility

__all__ = [
    "FINE_FROM",
    "PLANES",
    "Probe",
    "as_probe",
    "contact_points",
    "describe_probe",
    "half_sizes",
    "layout_from_text",
    "layout_to_text",
    "load_probe",
    "probe_from_layout",
    "probe_from_meautility",
]
