"""Verdicts in words: what a cell is by its label, what by its waveform, and whether it is as measured in living animals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .in_vivo import InVivo, Range, read_in_vivo

if TYPE_CHECKING:
    from .measure import Measured

#: Words in the line or the type of a cell, and the type of `in_vivo.yaml` that they mean; the first that is found counts
LABELS = {"pvalb": "fast spiking", "fast spiking": "fast spiking", "sst": "Sst", "vip": "Vip"}
#: The columns of a cell in which they are looked for
LABELLED = ("line", "cell_type")
#: The features that verdicts use, in words
FEATURES = {"trough_to_peak_ms": "trough to peak", "half_width_ms": "half width"}
#: The fields of `Measured` that are compared with them
COMPARED = {"trough_to_peak_ms": "trough_to_peak_as_in_vivo_ms", "half_width_ms": "half_width_as_in_vivo_ms"}


@dataclass(frozen=True)
class Verdict:
    """A verdict: the type by `label`, "" if it is not known; the kind of `waveform`; the verdict in `words`; and whether all
    features lie `within` the ranges, None if there are none to judge by."""

    label: str
    waveform: str
    words: str
    within: bool | None


def label_of(cell: Mapping[str, str]) -> str:
    """Return the type of a cell by its line, its cell type or, if it is spiny, its dendrites; "" if none of them says it."""
    text = " ".join(str(cell.get(column, "")) for column in LABELLED).lower()
    for word, kind in LABELS.items():
        if word in text:
            return kind
    spiny = "spiny" in (cell.get("dendrite_type"), cell.get("cell_type"))
    return "regular spiking" if spiny else ""


def waveform_kind(measured: Measured, in_vivo: InVivo) -> str:
    """Return what kind of waveform was measured, "" if there is none.

    Recordings show whether it is positive first; its width is that behind the filter of the measurements in living animals.
    """
    if measured.pre_peak_ratio > 1:
        return "positive first"
    width = measured.trough_to_peak_as_in_vivo_ms
    if np.isnan(width):
        return ""
    if width <= in_vivo.fast_up_to_ms:
        return "fast"
    return "regular" if width > in_vivo.regular_above_ms else "between fast and regular"


def judge(cell: Mapping[str, str], measured: Measured, in_vivo: InVivo | None = None) -> Verdict:
    """Judge a cell.

    Parameters
    ----------
    cell : mapping
        What is known of it: `line`, `cell_type` and `dendrite_type` are used.
    measured : Measured
    in_vivo : InVivo, optional
        What is measured in living animals; the register if it is not given.
    """
    register = in_vivo or read_in_vivo()
    label, waveform = label_of(cell), waveform_kind(measured, register)
    if not waveform:
        return Verdict(label, waveform, "no waveform to judge", None)
    by_label = f"{label} by label, " if label else ""
    if waveform == "positive first":
        return Verdict(label, waveform, f"{by_label}largest deflection positive, before the trough", False)
    if not label:
        return Verdict(label, waveform, f"{waveform} by waveform; no label to judge by", None)
    spans = {feature: span for feature in FEATURES if (span := register.span(label, feature))}
    if not spans:
        return Verdict(label, waveform, f"{by_label}{waveform} by waveform; no range to judge by", None)
    outside = [_outside(feature, getattr(measured, COMPARED[feature]), span) for feature, span in spans.items()]
    wrong = [words for words in outside if words]
    if not wrong:
        return Verdict(label, waveform, "within the range measured in vivo", True)
    reasons = "; ".join(wrong)
    other = {"fast spiking": "fast", "regular spiking": "regular"}.get(label, waveform) != waveform
    words = f"{by_label}{waveform} by waveform ({reasons})" if other else f"{label}, but {reasons}"
    return Verdict(label, waveform, words, False)


def _outside(feature: str, value: float, span: tuple[float, float]) -> str:
    """Return how a value lies outside a range, "" if it lies in it."""
    if span[0] <= value <= span[1]:
        return ""
    measured = f"{span[0]:.3g} to {span[1]:.3g} ms in vivo"
    return f"{FEATURES[feature]} {value:.3g} ms, {measured}" if np.isfinite(value) else f"{FEATURES[feature]} not measurable"


def ranges_of(feature: str, in_vivo: InVivo | None = None) -> list[Range]:
    """Return all entries of a feature, used or not."""
    return [entry for entry in (in_vivo or read_in_vivo()).ranges if entry.feature == feature]
