"""Pass, review or fail: thresholds on a block's figures, and the reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from napari_petlut.errors import ParameterError


class Verdict(StrEnum):
    """What to do with a block."""

    PASS = "pass"
    """Use the LUT."""
    REVIEW = "review"
    """Look at the crystals that are named."""
    FAIL = "fail"
    """Do not use the LUT before it has been corrected, or the block repaired."""


@dataclass(frozen=True)
class QualityThresholds:
    """Where a block's figures stop being good. Each figure has a limit for review and one for failure.

    The defaults let a measured 16 x 16 quadrant-sharing block pass, whose median k is 1.33, worst pair 0.80,
    median PVR 1.9 and mean misassignment 23 %.

    Parameters
    ----------
    doubtful_review, doubtful_fail : float
        Share of crystals marked suspect or missing above which the block is reviewed, or fails.
    confidence_review, confidence_fail : float
        Mean confidence of the crystals below which the block is reviewed, or fails.
    counts_review, counts_fail : float
        Mean events per crystal below which the figures and the LUT become uncertain.
    dim_review, dim_fail : float
        Counts of the weakest crystal over the mean below which the block is reviewed, or fails.
    k_review, k_fail : float
        Median k of all pairs below which the block is reviewed, or fails.
    worst_k_review, worst_k_fail : float
        Smallest k of a pair below which the block is reviewed, or fails.
    pvr_review, pvr_fail : float
        Median peak-to-valley ratio by line profile below which the block is reviewed, or fails.
    misassigned_review, misassigned_fail : float
        Mean expected misassignment above which the block is reviewed, or fails.
    residual_review, residual_fail : float
        Largest lattice residual in local pitches above which the block is reviewed, or fails.
    drift_review, drift_fail : float
        Largest drift of a spot from its peak in local pitches above which the block is reviewed, or fails.

    Raises
    ------
    ParameterError
        If a limit is negative, or that for failure is milder than that for review.
    """

    doubtful_review: float = 0.0
    doubtful_fail: float = 0.05
    confidence_review: float = 0.98
    confidence_fail: float = 0.8
    counts_review: float = 1000.0
    counts_fail: float = 100.0
    dim_review: float = 0.3
    dim_fail: float = 0.0
    k_review: float = 1.0
    k_fail: float = 0.7
    worst_k_review: float = 0.6
    worst_k_fail: float = 0.0
    pvr_review: float = 1.3
    pvr_fail: float = 1.05
    misassigned_review: float = 0.35
    misassigned_fail: float = 0.6
    residual_review: float = 0.6
    residual_fail: float = 1.0
    drift_review: float = 0.4
    drift_fail: float = 1.0

    def __post_init__(self) -> None:
        for limit in _LIMITS:
            review, fail = (getattr(self, f"{limit.name}_{level}") for level in ("review", "fail"))
            if not (np.isfinite([review, fail]).all() and min(review, fail) >= 0):
                raise ParameterError(f"thresholds {limit.name} must be 0 or more, not {review} and {fail}")
            if (fail < review) if limit.upper else (fail > review):
                raise ParameterError(
                    f"{limit.name}_fail ({fail:g}) is milder than {limit.name}_review ({review:g})"
                )


@dataclass(frozen=True)
class _Limit:
    name: str
    words: str
    upper: bool
    form: str = ".2f"


_LIMITS = (
    _Limit("doubtful", "share of crystals marked suspect or missing", True, ".1%"),
    _Limit("confidence", "mean confidence of the crystals", False),
    _Limit("counts", "mean events per crystal", False, ".0f"),
    _Limit("dim", "counts of the weakest crystal over the mean", False),
    _Limit("k", "median k of neighbouring crystals", False),
    _Limit("worst_k", "smallest k of a pair", False),
    _Limit("pvr", "median peak-to-valley ratio", False),
    _Limit("misassigned", "mean expected misassignment", True, ".1%"),
    _Limit("residual", "largest lattice residual in pitches", True),
    _Limit("drift", "largest drift of a spot in pitches", True),
)


def judge(
    figures: Mapping[str, float], thresholds: QualityThresholds, places: Mapping[str, str]
) -> tuple[Verdict, tuple[str, ...]]:
    """Hold figures against thresholds.

    Parameters
    ----------
    figures : mapping of str to float
        By the thresholds' names without their ending; a figure that is NaN or absent is not judged.
    thresholds : QualityThresholds
    places : mapping of str to str
        Where the worst of a figure is, in words; added to its reason.

    Returns
    -------
    verdict : Verdict
    reasons : tuple of str
        One line per figure beyond a limit, failures first.
    """
    failures: list[str] = []
    reviews: list[str] = []
    for limit in _LIMITS:
        value = figures.get(limit.name, np.nan)
        for level, lines in (("fail", failures), ("review", reviews)):
            bound = getattr(thresholds, f"{limit.name}_{level}")
            if (value > bound) if limit.upper else (value < bound):
                side = "above" if limit.upper else "below"
                place = f" ({places[limit.name]})" if places.get(limit.name) else ""
                lines.append(
                    f"{level}: {limit.words} is {value:{limit.form}}, {side} {bound:{limit.form}}{place}"
                )
                break
    verdict = Verdict.FAIL if failures else Verdict.REVIEW if reviews else Verdict.PASS
    return verdict, (*failures, *reviews)
