"""The live count of peaks, in words and on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import PeakStatus
from napari_petlut.plugin.editing.suspects import ACCEPTED_REASON

if TYPE_CHECKING:
    from napari.components import ViewerModel

OVERLAY_KEY = "petlut"
_NOTE_WIDTH = 44
"""Characters in a line of the note: it must fit on the canvas of a small screen."""
_NOTE_LINES = 3
_COLORS = {True: ("#4be07f", "#ffa53d"), False: ("#15803d", "#b45309")}
"""Of a complete count and another, on a dark canvas and on a light one."""


@dataclass(frozen=True)
class PeakCount:
    """How many peaks there are, and should be.

    Parameters
    ----------
    peaks : int
        Peaks of a crystal, without the places of missing ones; all peaks as long as none has a number.
    crystals : int
        Crystals of the block.
    suspects : int
        Things to look at.
    dead : int
        Crystals without events that a person has accepted as such.
    extra : int
        Peaks that belong to no crystal; each is a suspect too.
    """

    peaks: int
    crystals: int
    suspects: int
    dead: int = 0
    extra: int = 0

    @property
    def complete(self) -> bool:
        """Whether there is one peak for each crystal that is not dead, and nothing to look at."""
        return self.peaks + self.dead == self.crystals and not self.suspects

    def __str__(self) -> str:
        return f"{self.peaks} / {self.crystals}"

    @property
    def sentence(self) -> str:
        """The count, and the numbers of extra peaks, dead crystals and suspects, in words."""
        parts = [f"{self} peaks + {self.extra} extra" if self.extra else f"{self} peaks"]
        if self.dead:
            parts.append(f"{self.dead} dead")
        if self.suspects:
            parts.append(f"{self.suspects} suspect{'s' if self.suspects > 1 else ''}")
        return ", ".join(parts)


def count_peaks(features: pd.DataFrame, geometry: BlockGeometry, suspects: int) -> PeakCount:
    """Count the rows of a features table whose status is not "missing", those of no crystal apart."""
    missing = features["status"].to_numpy() == PeakStatus.MISSING
    dead = missing & (features["reason"].to_numpy() == ACCEPTED_REASON)
    numbered = features["crystal"].to_numpy() != NO_CRYSTAL
    extra = ~missing & ~numbered if numbered.any() else np.zeros(len(features), bool)
    peaks = ~missing & ~extra
    return PeakCount(int(peaks.sum()), geometry.crystals, suspects, int(dead.sum()), int(extra.sum()))


def show_count(viewer: ViewerModel, count: PeakCount, notes: Sequence[str] = ()) -> None:
    """Write the count, and notes below it, on the canvas."""
    from napari.components.overlays import TextOverlay

    overlays = viewer.canvas.overlays
    if OVERLAY_KEY not in overlays:
        overlays[OVERLAY_KEY] = TextOverlay(position="top_right", font_size=12, visible=True)
    overlay = overlays[OVERLAY_KEY]
    good, bad = _COLORS[_is_dark(viewer)]
    overlay.color = good if count.complete else bad
    lines = [wrap(note, _NOTE_WIDTH, max_lines=_NOTE_LINES, placeholder=" …") for note in notes]
    overlay.text = "\n".join([count.sentence, *chain(*lines)])


def warning_color(viewer: ViewerModel) -> str:
    """Return the colour of what is not as it should be, to be read on the theme."""
    return _COLORS[_is_dark(viewer)][1]


def _is_dark(viewer: ViewerModel) -> bool:
    from napari.utils.theme import get_theme

    return sum(get_theme(viewer.theme).canvas.as_rgb_tuple()[:3]) < 3 * 128


def hide_count(viewer: ViewerModel) -> None:
    """Take the count off the canvas."""
    if OVERLAY_KEY in viewer.canvas.overlays:
        del viewer.canvas.overlays[OVERLAY_KEY]
