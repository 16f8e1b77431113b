"""Put the tables of measured.md together from the benchmarks' results: uv run python docs/measured.py."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("measured.md")
RESULTS = PAGE.parents[1] / "benchmarks" / "results"
SPREAD = re.compile(r" \([^()]*, n=\d+\)")


@dataclass(frozen=True)
class Shown:
    """Some rows and columns of one table of a benchmark.

    Parameters
    ----------
    result : str
        Name of the benchmark.
    table : int
        Which of its tables.
    rows : dict of str to str
        What stands in the first column, and how it is shown.
    columns : dict of str to str
        Names of the columns, and their headings.
    """

    result: str
    table: int
    rows: dict[str, str]
    columns: dict[str, str]

    def markdown(self) -> str:
        """Return the table; the spread of repeated runs stays in the results."""
        rows = json.loads((RESULTS / f"{self.result}.json").read_text("utf-8"))["tables"][self.table]["rows"]
        key, *others = self.columns
        found = {row[key]: row for row in rows}
        lines = [list(self.columns.values()), ["---"] * len(self.columns)]
        lines += [
            [shown, *(SPREAD.sub("", found[name][column]) for column in others)]
            for name, shown in self.rows.items()
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {
    "events": Shown(
        "flood",
        0,
        {
            "notebook's steps, NumPy": "the notebook's steps in NumPy",
            "this program, all cores": "napari-petlut",
        },
        {name: name for name in ("way", "time", "times faster", "peak memory (MB)")},
    ),
    "steps": Shown(
        "segmentation",
        1,
        {
            "nearest peak": "nearest-peak cells",
            "k-means, 1 iteration": "k-means, 1 iteration",
            "cell borders": "cell borders",
        },
        {
            "step": "step",
            "reference": "the notebook's way",
            "its time": "its time",
            "time": "napari-petlut",
            "ratio": "ratio",
        },
    ),
    "lut": Shown(
        "pipeline",
        0,
        {
            "this program": "napari-petlut",
            "notebook, no correction by hand": "the notebook's steps, numbered by the truth",
        },
        {name: name for name in ("way", "crystals found", "numbered right", "LUT agreement", "time")},
    ),
    "cells": Shown(
        "segmentation",
        0,
        {
            "mixture": "mixture (default)",
            "nearest peak": "nearest peak",
            "k-means, peak x 100, 1 iteration": "k-means, peak pixels x 100, 1 iteration",
            "k-means, 1 iteration": "k-means, 1 iteration",
            "k-means, 300 iterations": "k-means to its end, from the peaks",
            "k-means++ on 256,000 events": "k-means to its end, from k-means++ on 256,000 events",
        },
        {
            "method": "from peaks to cells",
            "typical, found centres: events": "events right",
            "moved > 10 px": "centres moved more than 10 px",
        },
    ),
}
"""By the name of the marker on the page."""


def filled(page: str) -> str:
    """Return the page with every table between its markers as the results have it."""
    for name, shown in TABLES.items():
        start, end = f"<!-- {name} -->\n", "\n<!-- end -->"
        before, rest = page.split(start)
        page = before + start + "\n" + shown.markdown() + "\n" + end + rest.split(end, 1)[1]
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), encoding="utf-8")
