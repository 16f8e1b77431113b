"""The page about all blocks of a run: one self-contained HTML file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import napari_petlut
from napari_petlut.batch.results import BlockResult

if TYPE_CHECKING:
    from jinja2 import Template

SHOWN_FIGURES = {
    "doubtful": "doubtful crystals (share)",
    "missing": "missing crystals",
    "suspects": "suspect crystals",
    "confidence": "mean confidence",
    "counts": "mean counts per crystal",
    "cv": "variation of the counts",
    "k": "median k",
    "worst_k": "smallest k",
    "pvr": "median PVR",
    "misassigned": "misassignment",
    "residual": "largest residual (pitches)",
    "photopeak": "photopeak (median channel)",
    "energy_resolution": "energy resolution",
}
"""Figures that the page colours and sorts blocks by, and what they are called there."""


def overview_of(results: Sequence[BlockResult]) -> str:
    """Return the page as HTML; the same results give the same text.

    Parameters
    ----------
    results : sequence of BlockResult
        In the order of the blocks.
    """
    shown = {
        name: words
        for name, words in SHOWN_FIGURES.items()
        if any(result.figures.get(name) is not None for result in results)
    }
    blocks = [_block(result, shown) for result in results]
    # In a script no text may end it.
    data = json.dumps({"figures": shown, "blocks": blocks}, ensure_ascii=False).replace("<", "\\u003c")
    verdicts = [(verdict, sum(block["verdict"] == verdict for block in blocks)) for verdict in _VERDICTS]
    return _template().render(
        data=data, verdicts=verdicts, number=len(blocks), version=napari_petlut.__version__
    )


_VERDICTS = ("pass", "review", "fail", "failed")


def _block(result: BlockResult, shown: dict[str, str]) -> dict[str, Any]:
    return {
        "name": result.name,
        "place": list(result.place),
        "verdict": "failed" if result.failed else result.verdict,
        "notes": [result.error] if result.failed else list(result.notes),
        "figures": {name: result.figures.get(name) for name in shown},
        "size": "" if result.failed else f"{result.figures['rows']:g} x {result.figures['cols']:g}",
        "files": {kind: file.name for kind, file in sorted(result.outputs.items())},
        "picture": result.thumbnail,
    }


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = (files("napari_petlut.batch") / "overview.html.jinja").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
