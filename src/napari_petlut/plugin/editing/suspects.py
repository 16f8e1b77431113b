"""The list of what a person should look at: missing, doubled and extra peaks, and doubtful ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
import pandas as pd

from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.maps.grids import typical_pitch
from napari_petlut.model import FloatArray, PeakStatus
from napari_petlut.plugin.editing.numbering import Numbering, kinks

ACCEPTED_REASON = "accepted by hand"
_SAME_SPOT = 0.35
"""Two peaks closer than this many pitches are two peaks of one crystal."""


class SuspectKind(StrEnum):
    """What is doubtful."""

    MISSING = "missing"
    """A crystal without a peak, or without events."""
    DOUBLED = "doubled"
    """A second peak for one crystal."""
    EXTRA = "extra"
    """A peak that belongs to no crystal."""
    OFF_LATTICE = "off the lattice"
    """A peak away from the lines of its neighbours."""
    OFF_SPOT = "off its spot"
    """A peak that a person placed where the map has no spot, or another crystal's."""
    DOUBTFUL = "doubtful"
    """A peak with a low confidence."""


@dataclass(frozen=True)
class Suspect:
    """One thing to look at.

    Parameters
    ----------
    kind : SuspectKind
    position : tuple of float
        Where to look, (axis 0, axis 1) in flood-map pixels.
    crystal : int
        Crystal id, -1 for a peak of no crystal.
    point : int
        Row of the peak in the layer, -1 where there is no peak.
    text : str
        What is doubtful, in words.
    """

    kind: SuspectKind
    position: tuple[float, float]
    crystal: int
    point: int
    text: str


def list_suspects(
    positions: FloatArray,
    features: pd.DataFrame,
    numbering: Numbering,
    geometry: BlockGeometry,
    off_spot: Mapping[int, str] = MappingProxyType({}),
) -> list[Suspect]:
    """List everything to look at: by crystal id, then the peaks that belong to no crystal.

    Parameters
    ----------
    positions : ndarray of float64, shape (n, 2)
    features : DataFrame with n rows
        Columns ``status``, ``reason``.
    numbering : Numbering
    geometry : BlockGeometry
    off_spot : mapping of int to str
        Rows of placed peaks that lie off their spots, and why; see `off_their_spots`.
    """
    places = np.where(numbering.occupied[:, None], numbering.places, np.nan)
    grid = places.reshape(*geometry.shape, 2)
    holes = _holes(numbering, geometry)
    doubtful = _doubtful(positions, features, numbering, geometry, kinks(grid).ravel(), off_spot)
    homeless = _homeless(positions, numbering, _SAME_SPOT * typical_pitch(grid), geometry)
    return [*sorted([*holes, *doubtful], key=lambda suspect: suspect.crystal), *homeless]


def crystal_text(crystal: int, geometry: BlockGeometry) -> str:
    """Return how a crystal is called in the interface, ``"crystal 18 (row 1, col 2)"``."""
    if geometry.places is not None:
        row, col = (part[crystal] for part in geometry.layer_rows_cols)
        return f"crystal {geometry.numbers[crystal]} (layer {geometry.layers[crystal]}, row {row}, col {col})"
    row, col = divmod(crystal, geometry.cols)
    return f"crystal {crystal} (row {row}, col {col})"


def _holes(numbering: Numbering, geometry: BlockGeometry) -> list[Suspect]:
    if not numbering.occupied.any():
        return []  # nothing is numbered yet, so nothing can be said to be missing
    return [
        Suspect(
            SuspectKind.MISSING,
            (float(numbering.places[crystal, 0]), float(numbering.places[crystal, 1])),
            int(crystal),
            -1,
            f"{crystal_text(int(crystal), geometry)} has no peak",
        )
        for crystal in np.flatnonzero(~numbering.occupied & geometry.present.ravel())
    ]


def _doubtful(
    positions: FloatArray,
    features: pd.DataFrame,
    numbering: Numbering,
    geometry: BlockGeometry,
    off_lattice: np.ndarray,
    off_spot: Mapping[int, str],
) -> list[Suspect]:
    found = []
    status, reasons = features["status"].to_list(), features["reason"].to_list()
    for point in np.flatnonzero(numbering.crystal != NO_CRYSTAL):
        crystal = int(numbering.crystal[point])
        kind, why = _judged(status[point], str(reasons[point]), bool(off_lattice[crystal]))
        if reasons[point] != ACCEPTED_REASON and int(point) in off_spot:
            kind, why = SuspectKind.OFF_SPOT, off_spot[int(point)]
        if kind is not None:
            place = (float(positions[point, 0]), float(positions[point, 1]))
            text = f"{crystal_text(crystal, geometry)}: {why}"
            found.append(Suspect(kind, place, crystal, int(point), text))
    return found


def _judged(status: str, reason: str, off_lattice: bool) -> tuple[SuspectKind | None, str]:
    if reason == ACCEPTED_REASON:
        return None, ""
    if status == PeakStatus.MISSING:
        return SuspectKind.MISSING, reason or "no events here"
    if status == PeakStatus.SUSPECT:
        return SuspectKind.DOUBTFUL, reason or "low confidence"
    if off_lattice:
        return SuspectKind.OFF_LATTICE, reason or "off the lines of its neighbours"
    return None, ""


def _homeless(
    positions: FloatArray, numbering: Numbering, same_spot: float, geometry: BlockGeometry
) -> list[Suspect]:
    found = []
    for point in np.flatnonzero(numbering.crystal == NO_CRYSTAL):
        place = (float(positions[point, 0]), float(positions[point, 1]))
        distance = np.linalg.norm(numbering.places - positions[point], axis=1)
        distance[~numbering.occupied | ~np.isfinite(distance)] = np.inf
        nearest = int(np.argmin(distance))
        if distance[nearest] < same_spot:
            text = f"second peak of {crystal_text(nearest, geometry)}"
            found.append(Suspect(SuspectKind.DOUBLED, place, NO_CRYSTAL, int(point), text))
        else:
            text = "this peak belongs to no crystal"
            found.append(Suspect(SuspectKind.EXTRA, place, NO_CRYSTAL, int(point), text))
    return found
