"""The figures of a report as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np

from napari_petlut.formats.plain import plain
from napari_petlut.geometry import BlockGeometry
from napari_petlut.report.contents import ReportContents

DIGITS = 10
"""Significant digits written; the last bits of a float differ between machines."""


def csv_of(contents: ReportContents) -> str:
    """Return the figures of every crystal as CSV, one row each; empty where not known or infinite."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    rows = crystal_rows(contents)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(["" if value is None else value for value in row.values()])
    return file.getvalue()


def crosstalk_csv(contents: ReportContents) -> str:
    """Return which share of each crystal's events lies in which cell as CSV, one row each."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(contents.crosstalk)
    for crystal, cell, share in zip(*contents.crosstalk.values(), strict=True):
        writer.writerow([crystal, cell, _rounded(share)])
    return file.getvalue()


def json_of(contents: ReportContents) -> str:
    """Return verdict and figures of block and crystals as JSON; null where not known or infinite."""
    geometry = contents.geometry
    content = {
        "report": "napari-petlut block report",
        "report_version": 1,
        "title": contents.title,
        "rows": geometry.rows,
        "cols": geometry.cols,
        "verdict": contents.verdict or None,
        "verdict_reasons": contents.verdict_reasons,
        "warnings": contents.warnings,
        "left_out": contents.left_out,
        "block": {fact.name: _rounded(fact.value) for fact in contents.facts},
        "to_see": [{"crystal": see.crystal, "reasons": see.reasons} for see in contents.to_see],
        "units": {figure.name: figure.unit for figure in contents.figures if figure.unit},
        "crystals": crystal_rows(contents),
        "lines": [
            {"line": row.line, "number": row.number, "pairs": row.pairs}
            | {name: _rounded(value) for name, value in row.figures.items()}
            for row in contents.lines
        ],
        "pairs": contents.pairs,
        "record": contents.record,
    }
    return json.dumps(plain(content), indent=1, ensure_ascii=False) + "\n"


def crystal_rows(contents: ReportContents) -> list[dict[str, Any]]:
    """Return one dict for each crystal: place, status, position and every figure; None is not known."""
    lattice = contents.lattice
    rows = []
    for i in np.flatnonzero(contents.geometry.present).tolist():
        row, col = divmod(i, contents.geometry.cols)
        axis0, axis1 = lattice.positions[i].tolist()
        values: dict[str, Any] = {
            "crystal": i,
            "row": row,
            "col": col,
            "status": str(lattice.status[i]),
            "axis-0": _rounded(axis0),
            "axis-1": _rounded(axis1),
        }
        values |= {figure.name: _rounded(float(figure.values[i])) for figure in contents.figures}
        values |= {name: words[i] for name, words in contents.words.items()}
        rows.append(values | {"reason": lattice.reasons[i]} | numbering_of(contents.geometry, i))
    return rows


def numbering_of(geometry: BlockGeometry, place: int) -> dict[str, int]:
    """Return how the crystal at a place is numbered, where the array has a table for that; else nothing."""
    if geometry.places is None:
        return {}
    row, col = geometry.layer_rows_cols
    return {
        "layer": int(geometry.layers[place]),
        "layer_row": int(row[place]),
        "layer_col": int(col[place]),
        "number": int(geometry.numbers[place]),
    }


def _rounded(value: float | str) -> float | str | None:
    if isinstance(value, (str, int)):
        return value
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
