"""Trace the lines of a lattice through the rectified map by dynamic programming.

All rows are placed at once along one column: every row wants to sit on a ridge, neighbouring rows want to be
about as far apart as in the column beside them, and between two rows there should be the counts of one row,
which puts the extra line inside a merged row. The same on the transposed map gives the columns.

Places along a line are counted in samples here; every penalty is in squared pitches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_petlut.analysis.lattice.seeing.index_space import MARGIN, SAMPLES, RectifiedMap
from napari_petlut.compiling import compiled, inlined
from napari_petlut.model import FloatArray

RIDGE_WIDTH, RIDGE_GAIN = 0.18, 2.0
"""Width in pitches and weight of the curvature across a line, which tells ridges from slopes."""
MIN_GAP, MAX_GAP = 0.28, 2.2
"""Smallest and largest distance of neighbouring lines in pitches."""
MASS_FLOOR = 0.15
"""Added to the counts between neighbours (1 is the mean): an empty strip costs much, not everything."""
STRIP = 0.4
"""Narrowest strip, in pitches, that counts are summed over."""
BAND, SEED_BAND = 1.3, 3.0
"""How far a line may be from its prediction, and from its even place when there is none, in pitches."""
BREAK, SLIP = 0.6, 0.15
"""Squared distance from the prediction beyond which the penalty only grows at the second rate: dislocations
are dear, not forbidden."""
SLOPE = 0.5
"""Share of the last slope that a prediction follows."""
LEAN = 0.2
"""Weight of the prediction against the traced place while growing."""
TABLE_STEPS, TABLE_END = 50, 5
"""The penalty on counts between lines is tabled in steps of 1/50 line, up to 5 lines."""
MEETINGS, BEYOND = 6, 0.7
"""Times that a row and a column are followed in turn to where they meet, and how far beyond their ends they
are continued, in pitches."""
_NEVER = -1e18


def mass_penalty() -> FloatArray:
    """Return the squared log of the counts between neighbouring lines against one line's, tabled."""
    mass = (np.arange(TABLE_STEPS * TABLE_END) + 0.5) / TABLE_STEPS
    return np.asarray(np.log((mass + MASS_FLOOR) / (1 + MASS_FLOOR)) ** 2)


_EMPTINESS = mass_penalty()


@dataclass(frozen=True)
class TracingWeights:
    """Weights of the wishes of a line; see the module's text.

    Parameters
    ----------
    strip : float
        Width of the Gaussian along the line, in pitches, that the ridge is averaged over.
    anchor : float
        Towards its even place.
    coupling : float
        Towards the prediction from the neighbouring column.
    spacing : float
        Towards the spacing of the neighbouring column.
    mass : float
        Towards equal counts between neighbouring lines.
    """

    strip: float = 0.5
    anchor: float = 0.05
    coupling: float = 0.35
    spacing: float = 0.8
    mass: float = 1.2


@dataclass(frozen=True, eq=False)
class LineImage:
    """What the tracing sees of one axis.

    Parameters
    ----------
    ridge : ndarray of float64, shape (length, samples)
        How much a line wants to be there, for each position along it.
    mass : ndarray of float64, shape (length, samples)
        Cumulated counts across the lines; a mean line holds 1.
    """

    ridge: FloatArray
    mass: FloatArray

    @property
    def lines(self) -> int:
        """Number of lines that are traced through it."""
        return int((self.ridge.shape[1] - 1) // SAMPLES + 1 - 2 * MARGIN)


def line_image(view: RectifiedMap, strip: float) -> LineImage:
    """Prepare a rectified map for the tracing of its rows.

    Parameters
    ----------
    view : RectifiedMap
        Transposed for columns.
    strip : float
        As in `TracingWeights`.
    """
    samples, along = view.counts.shape
    ridge = (_blur_at_nodes(along, strip * SAMPLES).T @ view.contrast.T) @ _ridges(samples).T
    mass = (_blur_at_nodes(along, max(strip, STRIP) * SAMPLES).T @ view.counts.T).cumsum(axis=1)
    lines = (samples - 1) // SAMPLES + 1 - 2 * MARGIN
    mass *= lines / np.maximum(mass[:, -1:], 1e-9)
    return LineImage(ridge, mass)


@lru_cache(maxsize=64)
def _ridges(samples: int) -> FloatArray:
    """Return what takes a share of its curvature across the lines off a profile, (samples, samples)."""
    width = RIDGE_WIDTH * SAMPLES
    curvature = ndimage.gaussian_filter1d(np.eye(samples), width, axis=0, order=2)
    return np.asarray(np.eye(samples) - RIDGE_GAIN * width**2 * curvature)


@lru_cache(maxsize=64)
def _blur_at_nodes(samples: int, width: float) -> FloatArray:
    """Return what blurs along the lines and keeps only the nodes, (samples, length), `width` in samples."""
    length = (samples - 1) // SAMPLES + 1 - 2 * MARGIN
    places = (np.arange(length) + MARGIN) * SAMPLES
    return np.ascontiguousarray(ndimage.gaussian_filter1d(np.eye(samples), width, axis=1)[:, places])


@inlined
def place_lines(
    ridge: FloatArray,
    mass: FloatArray,
    wanted: FloatArray,
    gaps: FloatArray,
    anchor: FloatArray,
    weights: FloatArray,
    emptiness: FloatArray,
    score: FloatArray,
    origin: npt.NDArray[np.int64],
    apart: FloatArray,
    out: FloatArray,
) -> float:
    """Place all lines at one position along them; the best value of all wishes together.

    Parameters
    ----------
    ridge, mass : ndarray, shape (samples,)
        `mass` never falls.
    wanted : ndarray, shape (lines,)
        Predicted places in samples; not used where the coupling is 0.
    gaps : ndarray, shape (lines - 1,)
        Wanted distances of neighbours in pitches.
    anchor : ndarray, shape (lines,)
        Even places in samples.
    weights : ndarray, shape (4,)
        Anchor, coupling, spacing, mass.
    emptiness : ndarray
        From `mass_penalty`, times the weight of the mass.
    score, origin : ndarray, shape (lines, samples)
        Working memory.
    apart : ndarray, shape (samples up to the largest distance,)
        Working memory, see `room_apart`.
    out : ndarray, shape (lines,)
        Filled with the places in whole samples.
    """
    samples, lines = len(ridge), len(wanted)
    to_anchor, coupling, spacing = weights[0], weights[1], weights[2]
    low_gap, high_gap = max(2, int(MIN_GAP * SAMPLES)), int(MAX_GAP * SAMPLES)
    # Line after line (the algorithm of Viterbi; Forney, Proc. IEEE 61 (1973) 268): score[i, k] is the best
    # value of the lines up to i with line i at sample k, and origin[i, k] where line i - 1 lies then.
    before0, before1 = 0, 0
    for i in range(lines):
        if coupling > 0:
            first = max(0, int(wanted[i]) - int(BAND * SAMPLES))
            last = min(samples, int(wanted[i]) + int(BAND * SAMPLES) + 1)
        else:
            first = max(0, int(anchor[i]) - int(SEED_BAND * SAMPLES))
            last = min(samples, int(anchor[i]) + int(SEED_BAND * SAMPLES))
        # A prediction beside the map leaves two samples at its edge, so that there is always a way on.
        if last <= first:
            first = min(max(0, first - 1), samples - 2)
            last = first + 2
        if i > 0:
            for d in range(low_gap, high_gap + 1):
                apart[d] = spacing * (d / SAMPLES - gaps[i - 1]) ** 2
            for k in range(first, last):
                score[i, k], origin[i, k] = _NEVER, -1
            # All pairs of a place of the line before and one of this line; written without branches, in runs.
            for j in range(before0, before1):
                start, end = max(first, j + low_gap), min(last, j + high_gap + 1)
                wide, held = apart[start - j : end - j], mass[start:end]
                value_to, from_to = score[i, start:end], origin[i, start:end]
                for n in range(end - start):
                    # Counts between the two lines: what one line holds costs nothing, none or two lines'
                    # worth does.
                    between = min(int((held[n] - mass[j]) * TABLE_STEPS), len(emptiness) - 1)
                    value = score[i - 1, j] - wide[n] - emptiness[between]
                    better = value > value_to[n]
                    value_to[n] = value if better else value_to[n]
                    from_to[n] = j if better else from_to[n]
        for k in range(first, last):
            here = ridge[k] - to_anchor * ((k - anchor[i]) / SAMPLES) ** 2
            if coupling > 0:
                d = ((k - wanted[i]) / SAMPLES) ** 2
                # Cut off, so that a line may break at a fault for a price instead of dragging all after it.
                here -= coupling * (d if d <= BREAK else BREAK + SLIP * (d - BREAK))
            if i == 0:
                score[0, k], origin[0, k] = here, -1
            elif origin[i, k] >= 0:
                score[i, k] += here
            else:
                # Out of reach of every place of the line before: its score stays that of never, any origin
                # will do.
                origin[i, k] = max(0, k - SAMPLES)
        before0, before1 = first, last
    # From the best end back along the origins.
    best, k = _NEVER, before0
    for j in range(before0, before1):
        if score[lines - 1, j] > best:
            best, k = score[lines - 1, j], j
    for i in range(lines - 1, -1, -1):
        out[i] = k
        k = origin[i, k]
    return float(best)


@inlined
def _top(ridge: FloatArray, place: float) -> float:
    """Place of the top of the parabola through a sample and its neighbours: `maps.parabola`, compiled."""
    k = int(place)
    if k < 1 or k > len(ridge) - 2:
        return float(k)
    curve = ridge[k - 1] - 2 * ridge[k] + ridge[k + 1]
    if curve > -1e-9:
        return float(k)
    return float(k + min(0.5, max(-0.5, 0.5 * (ridge[k - 1] - ridge[k + 1]) / curve)))


@compiled()
def trace(
    ridge: FloatArray,
    mass: FloatArray,
    seed: int,
    sweeps: int,
    weights: FloatArray,
    free: FloatArray,
    anchor: FloatArray,
    emptiness: FloatArray,
    score: FloatArray,
    origin: npt.NDArray[np.int64],
    apart: FloatArray,
    rows: FloatArray,
    places: FloatArray,
) -> float:
    """Trace all lines from position `seed` outwards, then relax; `seed` < 0 only relaxes what `places` holds.

    Parameters
    ----------
    ridge, mass : ndarray, shape (length, samples)
    seed : int
        Position along the lines at which they are placed without a prediction.
    sweeps : int
        Rounds in which every position is placed again between its neighbours.
    weights, free : ndarray, shape (4,)
        Of the wishes, and of those at the seed.
    anchor, emptiness, score, origin, apart : ndarray
        As `place_lines` takes them.
    rows : ndarray, shape (3, lines)
        Working memory.
    places : ndarray, shape (lines, length)
        In samples; filled.

    Returns
    -------
    float
        Sum of the values of the last sweep; 0 without sweeps.
    """
    length, lines = ridge.shape[0], places.shape[0]
    wanted, gaps, out = rows[0], rows[1, : max(lines - 1, 0)], rows[2]
    for i in range(lines - 1):
        gaps[i] = 1.0
    total = 0.0
    # One loop over all visits, so that the placing is compiled in one place: the seed, from there to the end,
    # from there to the beginning, and then the sweeps.
    traced = length if seed >= 0 else 0
    for visit in range(traced + sweeps * length):
        way, lean = 0, 0.0
        if visit < traced:
            c = seed
            if visit > 0:
                way = 1 if visit < length - seed else -1
                c = seed + visit if way == 1 else length - 1 - visit
                lean = LEAN
                back = c - 3 * way
                known = (way == 1 and back >= seed) or (way == -1 and back <= seed)
                for i in range(lines):
                    slope = (places[i, c - way] - places[i, back]) / 2 if known else 0.0
                    wanted[i] = places[i, c - way] + SLOPE * slope
        else:
            c = (visit - traced) % length
            if c == 0:
                total = 0.0
            for i in range(lines):
                if length == 1:
                    wanted[i] = places[i, 0]
                elif c == 0:
                    wanted[i] = 1.5 * places[i, 1] - 0.5 * places[i, 2] if length > 2 else places[i, 1]
                elif c == length - 1:
                    far = length - 3
                    wanted[i] = 1.5 * places[i, c - 1] - 0.5 * places[i, far] if length > 2 else places[i, 0]
                else:
                    wanted[i] = 0.5 * (places[i, c - 1] + places[i, c + 1])
        at_seed = visit < traced and visit == 0
        if not at_seed:
            for i in range(lines - 1):
                gaps[i] = (wanted[i + 1] - wanted[i]) / SAMPLES
        wishes = free if at_seed else weights
        value = place_lines(
            ridge[c], mass[c], wanted, gaps, anchor, wishes, emptiness, score, origin, apart, out
        )
        if visit >= traced:
            total += value
        for i in range(lines):
            place = _top(ridge[c], out[i])
            places[i, c] = (1 - lean) * place + lean * wanted[i] if way != 0 else place
    return total


def room_apart() -> FloatArray:
    """Return room for what every distance of two neighbours costs."""
    return np.zeros(int(MAX_GAP * SAMPLES) + 1)


def trace_lines(
    image: LineImage,
    weights: TracingWeights,
    *,
    seed: int = -1,
    start: FloatArray | None = None,
    sweeps: int = 2,
) -> tuple[FloatArray, float]:
    """Trace the lines of one axis, from a seed position or from a start.

    Parameters
    ----------
    image : LineImage
    weights : TracingWeights
    seed : int
        Position along the lines to start from; -1 starts from `start`.
    start : ndarray of float64, shape (lines, length), optional
        Index-space places to relax from; the even places by default.
    sweeps : int

    Returns
    -------
    places : ndarray of float64, shape (lines, length)
        Index-space places of every line at every position along it.
    value : float
        Mean value of all wishes per node, larger is better.
    """
    lines, length = image.lines, image.ridge.shape[0]
    even = np.repeat(np.arange(lines, dtype=np.float64)[:, None], length, axis=1)
    places = np.ascontiguousarray(((even if start is None else start) + MARGIN) * SAMPLES)
    packed = np.array([weights.anchor, weights.coupling, weights.spacing, weights.mass])
    samples = image.ridge.shape[1]
    value = trace(
        image.ridge,
        image.mass,
        seed,
        sweeps,
        packed,
        packed * (1.0, 0.0, 1.0, 1.0),
        (np.arange(lines, dtype=np.float64) + MARGIN) * float(SAMPLES),
        weights.mass * _EMPTINESS,
        np.full((lines, samples), _NEVER),
        np.zeros((lines, samples), np.int64),
        room_apart(),
        np.zeros((3, lines)),
        places,
    )
    return places / SAMPLES - MARGIN, value / (lines * length)


def intersect(rows: FloatArray, cols: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return where row curves and column curves meet.

    Parameters
    ----------
    rows : ndarray of float64, shape (R, C)
        v of each row at u = 0 .. C - 1.
    cols : ndarray of float64, shape (C, R)
        u of each column at v = 0 .. R - 1.

    Returns
    -------
    v, u : ndarray of float64, shape (R, C)
    """
    v, u = rows.copy(), np.ascontiguousarray(cols.T)
    _meet(np.ascontiguousarray(rows), np.ascontiguousarray(cols), v, u)
    return v, u


@compiled()
def _meet(rows: FloatArray, cols: FloatArray, v: FloatArray, u: FloatArray) -> None:
    """Move `v` and `u` (R, C) to where every row and every column meet, by following them in turn."""
    for _ in range(MEETINGS):
        for i in range(v.shape[0]):
            for j in range(v.shape[1]):
                v[i, j] = _along(rows[i], u[i, j])
        for i in range(v.shape[0]):
            for j in range(v.shape[1]):
                u[i, j] = _along(cols[j], v[i, j])


@inlined
def _along(line: FloatArray, at: float) -> float:
    """Value of a line at a place, linear between positions and a little beyond the ends."""
    if len(line) == 1:
        return float(line[0])
    low = min(max(int(np.floor(at)), 0), len(line) - 2)
    part = min(max(at - low, -BEYOND), 1 + BEYOND)
    return float(line[low] * (1 - part) + line[low + 1] * part)
