"""The status of every crystal, and in words why it is doubted."""

from __future__ import annotations

import numpy as np

from napari_petlut.analysis.lattice.grids import BoolArray
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.sureness.confidence import FEATURES
from napari_petlut.analysis.lattice.sureness.merged import ALONE
from napari_petlut.model import FloatArray, IntArray, PeakStatus, StatusArray

RIVAL_WORDS, DIM_WORDS, BRIGHT_WORDS = 0.3, -0.7, 0.5
MERGED_WORDS, BAD_WORDS, SPOT_WORDS = 0.85, 0.5, 0.3
"""Values of the features from which they are named as a reason."""


def statuses(
    features: FloatArray, sure: FloatArray, dark: BoolArray, params: LatticeParameters
) -> StatusArray:
    """Return the status of every crystal, shape (rows, cols)."""
    no_spot = features[..., FEATURES.index("no spot")] > 0
    out = np.full(sure.shape, PeakStatus.FOUND, dtype="<U8")
    out[no_spot] = PeakStatus.INFERRED
    out[sure < params.suspect_below] = PeakStatus.SUSPECT
    out[dark] = PeakStatus.MISSING
    return out


def doubts_in_words(features: FloatArray, status: StatusArray, partner: IntArray) -> tuple[str, ...]:
    """Return why each crystal is doubted, by id; empty where it is not."""
    value = {name: features[..., k].ravel() for k, name in enumerate(FEATURES)}
    words = (
        (value["rival"] > RIVAL_WORDS, "another lattice puts it elsewhere"),
        (value["no spot"] > 0, "no spot of its own"),
        (value["resolution"] < MERGED_WORDS, "merged with a neighbour"),
        (value["dim"] < DIM_WORDS, "few counts"),
        (value["bright"] > BRIGHT_WORDS, "more counts than its neighbours"),
        (value["badness"] > BAD_WORDS, "uneven pitch around it"),
        (
            (value["spot distance"] > SPOT_WORDS) & (value["no spot"] == 0),
            "off the spot that is nearest to it",
        ),
    )
    out = []
    for k, word in enumerate(status.ravel()):
        if partner.flat[k] != ALONE:
            out.append(
                f"no spot of its own; crystal {partner.flat[k]} beside it holds the counts of two: merged"
            )
            continue
        if word == PeakStatus.MISSING:
            out.append("almost no counts: a dead crystal?")
        elif word in (PeakStatus.FOUND, PeakStatus.ABSENT):
            out.append("")
        elif word == PeakStatus.INFERRED:
            out.append("no spot of its own; placed by its neighbours and the counts around it")
        else:
            told = [text for which, text in words if which[k]]
            out.append("; ".join(told) if told else "the evidence around it is weak")
    return tuple(out)
