"""What `petlut calibrate` and `petlut compare` say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from napari_petlut.cli import terminal

if TYPE_CHECKING:
    from napari_petlut.analysis.comparison import LUTComparison
    from napari_petlut.workflow.calibration import Calibration

MOST_DOUBTS_SHOWN = 20
"""Longer lists go into the record only."""


def show_calibration(result: Calibration, files: dict[str, Path], *, as_json: bool) -> None:
    """Print what `petlut calibrate` found and wrote."""
    from napari_petlut.model import PeakStatus

    summary = result.summary()
    if as_json:
        terminal.print_json(
            {
                **summary,
                "files": {kind: str(path) for kind, path in files.items()},
                "seconds": {step: round(s, 4) for step, s in result.seconds.items()},
            }
        )
        return
    for line in result.warnings:
        terminal.warn(line)
    counts = ", ".join(f"{number} {status}" for status, number in summary["status"].items() if number)
    facts = {"geometry": str(result.geometry), "crystals": counts}
    facts |= {"window": str(result.flood.window)} if result.flood.window else {}
    facts |= {"took": ", ".join(f"{step} {s:.2f} s" for step, s in result.seconds.items())}
    terminal.print_facts(result.stem, facts)
    doubtful = [
        d for d in summary["doubted_crystals"] if d["status"] in (PeakStatus.SUSPECT, PeakStatus.MISSING)
    ]
    if doubtful:
        shown = doubtful[:MOST_DOUBTS_SHOWN]
        look = [(d["crystal"], d["status"], f"{d['confidence']:.2f}", d["reason"]) for d in shown]
        more = f" ({len(look)} of {len(doubtful)}; the record has all)" if len(look) < len(doubtful) else ""
        terminal.print_table(f"To look at{more}", ("crystal", "status", "confidence", "reason"), look)
    terminal.print_written(files, as_json=False)


def show_comparison(result: LUTComparison, worst: int, *, as_json: bool) -> None:
    """Print what `petlut compare` found."""
    shares = {"pixels": result.pixels, "claimed_pixels": result.claimed_pixels, "counts": result.counts}
    known = {name: share for name, share in shares.items() if share == share}  # without NaN
    crystals = result.worst(worst)
    if as_json:
        known |= {"only_a": result.only_a, "only_b": result.only_b}
        terminal.print_json(known | {"worst": [asdict(crystal) for crystal in crystals]})
        return
    words = {"pixels": "all pixels", "claimed_pixels": "pixels of a crystal", "counts": "counts"}
    facts = {words[name]: f"{100 * share:.3f} %" for name, share in known.items()}
    one_sided = {"of a crystal in A only": result.only_a, "of a crystal in B only": result.only_b}
    facts |= {words: f"{100 * share:.3f} %" for words, share in one_sided.items() if share > 0}
    terminal.print_facts("Agree", facts)
    if crystals:
        by = ("counts", "pixels") if "counts" in known else ("pixels",)
        columns = ("crystal", "row", "col", *(f"{name} %" for name in by), "taken by", "taken %")
        rows = [
            (c.crystal, c.row, c.col, *(100 * getattr(c, name) for name in by), c.taken_by, 100 * c.taken)
            for c in crystals
        ]
        terminal.print_table("Least agreement, of what A gives to a crystal", columns, rows)
