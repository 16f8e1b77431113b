"""How well a lattice explains a map: the number by which hypotheses are ranked."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.lattice.fitted import fitted_numbers
from napari_petlut.analysis.lattice.fitting.mixture import MixtureFit
from napari_petlut.analysis.lattice.grids import NOTHING, BoolArray, median, whole_mask
from napari_petlut.compiling import compiled
from napari_petlut.model import FloatArray, IntArray

DIM = 0.02
"""Counts below this share of the median all count as equally dark."""
CAP = 1.0
"""Largest contribution of one node to the irregularity: a few faults must not decide."""
PITCH_CAP, COUNT_CAP = 0.3, 0.3
"""The same for the inconsistency of the pitch and for the unevenness of the counts: dead, dim and merged
crystals are uneven by nature, one more than the cap says nothing."""
EDGE_LINES, ASYMMETRY_CAP = 2, 0.6
"""Outermost pitches that are held against those of the opposite edge, and largest contribution of an axis:
light is lost alike at both edges of a block, so that they crowd alike, and a lattice that is one line off
shows in one crowded and one wide edge."""
NOISE_SHARE, LEAST_MISFIT = 0.85, 0.05
"""Share of the deviance of pure noise that is taken off a fit's deviance, and least that is left, as a share
of it. With few counts a wrong lattice adds little to the noise, and the other terms would decide. A mixture
also follows the noise, so that not all of it is left. That it is taken off was measured, the values were
not."""
TERMS = ("log misfit", "irregularity", "inconsistency", "unevenness", "asymmetry")
"""What is held against a lattice: that it misfits the map; that its pitches are irregular, inconsistent
between adjacent lines, or crowded at one edge only; that neighbours' counts differ. True lattices are
regular, consistent, even and alike at both edges."""
WEIGHTS = fitted_numbers("objective", TERMS)
"""Of several sets the one that picks, from what the search tried and the truth, lattices with fewest wrong
crystals on simulated blocks (`benchmarks/fit_lattice_ranking.py`). That of the asymmetry is small: a faulty
edge (walls, gains) must not outweigh the map."""


def log_weight(fit: MixtureFit) -> FloatArray:
    """Return the log of the counts of each crystal, dark ones levelled."""
    return np.asarray(np.log(np.maximum(fit.weight, max(DIM * median(fit.weight), 1e-9))))


def edge_asymmetry(log_gap: FloatArray) -> float:
    """Return the mean difference between the first and the last log-gaps of an axis, (gaps, across)."""
    number = len(log_gap)
    lines = min(EDGE_LINES, number // 2)
    if lines == 0:
        return 0.0
    return sum(abs(median(log_gap[k]) - median(log_gap[number - 1 - k])) for k in range(lines)) / lines


def grid_terms(grid: FloatArray, weight: FloatArray, dark: npt.NDArray[np.bool_], out: FloatArray) -> None:
    """Fill `out` with irregularity, inconsistency, unevenness and asymmetry; see `TERMS`.

    Parameters
    ----------
    grid : ndarray of float64, shape (rows, cols, 2)
    weight : ndarray of float64, shape (rows, cols)
        Log of the counts, see `log_weight`.
    dark : ndarray of bool, shape (rows, cols)
        Crystals whose counts are not compared.
    out : ndarray of float64, shape (4,)
    """
    out[:] = 0.0
    for place, light, unlit in ((grid[..., 0], weight, dark), (grid[..., 1].T, weight.T, dark.T)):
        if len(place) < 2:
            continue
        place = np.ascontiguousarray(place)
        before, after = _neighbouring_lines(len(place))
        step = np.abs(place[after] - place[before]) / (after - before)[:, None]
        gap = place[1:] - place[:-1]
        typical, middle = max(median(step), 1e-9), max(median(gap), 1e-9)
        _add_terms(
            place,
            np.ascontiguousarray(light),
            np.ascontiguousarray(unlit),
            step,
            typical,
            middle,
            gap,
            out,
        )
        out[3] += min(edge_asymmetry(gap), ASYMMETRY_CAP)


@lru_cache(maxsize=64)
def _neighbouring_lines(lines: int) -> tuple[IntArray, IntArray]:
    """Return the line before and the line after each; the outermost are their own neighbours."""
    line = np.arange(lines)
    return np.maximum(line - 1, 0), np.minimum(line + 1, lines - 1)


@compiled()
def _add_terms(
    place: FloatArray,
    light: FloatArray,
    unlit: npt.NDArray[np.bool_],
    step: FloatArray,
    typical: float,
    middle: float,
    gap: FloatArray,
    out: FloatArray,
) -> None:
    """Add the first three terms of one axis to `out`; `gap` becomes the log of the gaps, in middle ones.

    Arrays are (lines, across); `gap` is (lines - 1, across), and `step` how far apart the lines around
    each are, per line.
    """
    lines, across = place.shape
    bends = 0.0
    for i in range(1, lines - 1):
        for j in range(across):
            bend = place[i - 1, j] - 2 * place[i, j] + place[i + 1, j]
            bends += min((bend / (0.5 * (step[i, j] + typical))) ** 2, CAP)
    if lines > 2:
        out[0] += bends / ((lines - 2) * across)
    changes, uneven, number = 0.0, 0.0, 0
    for i in range(lines - 1):
        for j in range(across):
            gap[i, j] = np.log(max(gap[i, j] / middle, 0.0) + 0.1)
            if j > 0:
                changes += min((gap[i, j] - gap[i, j - 1]) ** 2, PITCH_CAP)
            if not (unlit[i, j] or unlit[i + 1, j]):
                uneven += min(abs(light[i + 1, j] - light[i, j]), COUNT_CAP)
                number += 1
    if across > 1:
        out[1] += changes / ((lines - 1) * (across - 1))
    if number:
        out[2] += 0.5 * uneven / number


def misfit(fit: MixtureFit) -> float:
    """Return the deviance of a fit per count beyond what noise makes."""
    least = max(LEAST_MISFIT * fit.noise, 1e-12)
    return max(fit.deviance - NOISE_SHARE * fit.noise, least)


def terms(fit: MixtureFit, dark: BoolArray = NOTHING) -> FloatArray:
    """Return the terms of the objective, in the order of `TERMS`; dark crystals have no counts to compare."""
    out = np.zeros(len(TERMS))
    grid_terms(np.ascontiguousarray(fit.grid), log_weight(fit), whole_mask(dark, fit.weight.shape), out[1:])
    out[0] = np.log(misfit(fit))
    return out


def objective(fit: MixtureFit, dark: BoolArray = NOTHING) -> float:
    """Return the objective of a fitted lattice; smaller is better."""
    return float(terms(fit, dark) @ WEIGHTS)
