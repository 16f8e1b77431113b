"""Tables of a lattice sweep: shares with confidence intervals, reliability, failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from _common import Report
from _sweep_blocks import Invariance, Result

Z95 = 1.959964
"""Two-sided 95 % point of the normal distribution."""
CONFIDENCE_EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)
LONGEST_LIST = 60
TARGETS = {
    "easy": {"right": 0.9995, "perfect": 1.0},
    "typical": {"right": 0.999, "perfect": 0.97},
    "hard": {"right": 0.995, "perfect": 0.85},
}
"""Shares of crystals right and blocks perfect that are to be reached, by level."""


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Return Wilson's 95 % confidence interval of a share.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209: the shares p whose distance from the observed one is at
    most 1.96 standard deviations of p itself.
    """
    if whole == 0:
        return 0.0, 1.0
    share, z2 = part / whole, Z95**2
    middle = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z95 * np.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2)) / (1 + z2 / whole)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def percent(part: int, whole: int) -> str:
    """Return a share in percent with its confidence interval."""
    if whole == 0:
        return "-"
    low, high = wilson(part, whole)
    return f"{100 * part / whole:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def summary(name: str, results: Sequence[Result]) -> dict[str, Any]:
    """Return one line of the tables for some blocks."""
    live, right = sum(r.live for r in results), sum(r.right for r in results)
    wrong = live - right
    seconds = sorted(r.cpu_seconds for r in results)
    dead = sum(r.dead for r in results)
    return {
        "blocks": f"{name} ({len(results)})",
        "crystals right, %": percent(right, live),
        "blocks perfect, %": percent(sum(r.perfect for r in results), len(results)),
        "wrong": wrong,
        "wrong and marked, %": percent(sum(r.wrong_marked for r in results), wrong),
        "marks on right ones per block": f"{sum(r.right_marked for r in results) / len(results):.2f}",
        "dead marked missing": f"{sum(r.dead_missing for r in results)} of {dead}",
        "live marked missing": sum(r.live_missing for r in results),
        "s median / p95 / max": " / ".join(
            f"{s:.2f}" for s in (median(seconds), np.percentile(seconds, 95), seconds[-1])
        ),
    }


def by_level(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one line per level, and the targets beside it."""
    rows = []
    for level in dict.fromkeys(r.level for r in results):
        target = TARGETS.get(level, {})
        row = summary(level, [r for r in results if r.level == level])
        row["to reach: right / perfect, %"] = " / ".join(f"{100 * v:g}" for v in target.values()) or "-"
        rows.append(row)
    return rows


def by_factor(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one line per factor and level, over the blocks that have the factor among others."""
    keys = sorted({(r.level, name) for r in results for name in r.factors})
    return [
        summary(f"{level}: {name}", [r for r in results if r.level == level and name in r.factors])
        for level, name in keys
    ]


def by_range(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return lines for ranges of crystals, counts and resolution, over all levels."""
    columns = (
        ("crystals", lambda r: r.rows * r.cols, (0, 100, 225, 400, 2000)),
        ("counts per crystal", lambda r: r.counts_per_crystal, (0, 1_000, 10_000, 100_000, 1e9)),
        ("k", lambda r: r.resolution, (0, 1.0, 1.2, 1.5, 2.0, 99)),
    )
    rows = []
    for name, value, edges in columns:
        for low, high in pairwise(edges):
            some = [r for r in results if low <= value(r) < high]
            if some:
                rows.append(summary(f"{name} {low:g} to {high:g}", some))
    square = [r for r in results if r.rows == r.cols]
    other = [r for r in results if r.rows != r.cols]
    rows += [summary(name, some) for name, some in (("square", square), ("not square", other)) if some]
    return rows


def reliability(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return how often crystals of a confidence are right; well calibrated where both columns agree."""
    confidence = np.array([c for r in results for c in r.confidence])
    right = np.array([x for r in results for x in r.is_right], bool)
    rows = []
    for low, high in pairwise(CONFIDENCE_EDGES):
        last = high == CONFIDENCE_EDGES[-1]
        some = (confidence >= low) & ((confidence <= high) if last else (confidence < high))
        if some.any():
            rows.append(
                {
                    "confidence": f"{low:g} to {high:g}",
                    "crystals": int(some.sum()),
                    "mean confidence, %": f"{100 * confidence[some].mean():.2f}",
                    "right, %": percent(int(right[some].sum()), int(some.sum())),
                }
            )
    return rows


def failures(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return the blocks that are not perfect or failed, worst first, with what runs each again."""
    failed = sorted((r for r in results if not r.perfect or r.error), key=lambda r: -r.wrong / r.live)
    return [
        {
            "block": r.name,
            "factors": ", ".join(r.factors),
            "geometry": f"{r.rows} x {r.cols}",
            "k": f"{r.resolution:.2f}",
            "counts": f"{r.counts_per_crystal:.0f}",
            "right": f"{r.right} of {r.live}",
            "wrong and not marked": r.wrong - r.wrong_marked,
            "marks on right ones": r.right_marked,
            "s": f"{r.cpu_seconds:.2f}",
            "error or first doubt": r.error or (r.doubts[0] if r.doubts else ""),
        }
        for r in failed[:LONGEST_LIST]
    ]


def invariance(rows: Sequence[Invariance]) -> list[dict[str, Any]]:
    """Return one line per change: how many crystals are found at the same place with the same number."""
    table = []
    for change in dict.fromkeys(row.change for row in rows):
        some = [row for row in rows if row.change == change]
        crystals = sum(row.crystals for row in some)
        table.append(
            {
                "change": change,
                "blocks": len(some),
                "blocks with the same lattice": sum(row.same == row.crystals for row in some),
                "crystals the same, %": percent(sum(row.same for row in some), crystals),
                "right before, %": f"{100 * sum(row.right_before for row in some) / crystals:.2f}",
                "right after, %": f"{100 * sum(row.right_after for row in some) / crystals:.2f}",
            }
        )
    return table


def lut_agreement(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return one line per level: the LUT against the ideal one, and against what the true centres give."""
    rows = []
    for level in dict.fromkeys(r.level for r in results):
        some = [
            (r.lut_agreement, r.lut_agreement_possible)
            for r in results
            if r.level == level and r.lut_agreement is not None and r.lut_agreement_possible
        ]
        if some:
            shares = [found / possible for found, possible in some]
            rows.append(
                {
                    "blocks": f"{level} ({len(some)})",
                    "agreement with the ideal LUT, %": f"{100 * np.mean([found for found, _ in some]):.2f}",
                    "from the true centres, %": f"{100 * np.mean([best for _, best in some]):.2f}",
                    "share of it reached, mean": f"{np.mean(shares):.4f}",
                    "worst": f"{min(shares):.4f}",
                    "blocks with 0.985 or more": sum(share >= 0.985 for share in shares),
                }
            )
    return rows


def fill(report: Report, results: Sequence[Result], *, list_failures: bool) -> None:
    """Put all tables of a sweep into a report."""
    report.table("By level", by_level(results))
    if any(r.factors for r in results):
        report.table("By factor (blocks that have it, often with others)", by_factor(results))
    report.table("By size, counts and resolution", by_range(results))
    if any(r.lut_agreement is not None for r in results):
        report.table("Agreement of the LUT", lut_agreement(results))
    report.table("Reliability of the confidence", reliability(results))
    if list_failures:
        report.table(f"Blocks not perfect, worst first (at most {LONGEST_LIST})", failures(results))
    report.note("Shares are in percent with Wilson's 95 % interval. Crystals of one block fail together: the")
    report.note("interval of the blocks is the one to trust; that of the crystals is too narrow.")
    report.note("Time is processor time of `find_lattice` on one thread, after warm-up.")
    report.note("Dead crystals are not counted; a peak is right up to the symmetries of the grid.")
