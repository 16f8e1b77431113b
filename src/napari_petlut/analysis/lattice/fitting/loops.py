"""The compiled loops of the tied mixture: counts expected, halos laid, moments taken, centres tied.

All in one file, because Numba compiles a function again only where its own file changes: loops from other
files that were compiled into it would stay as they were.

Whatever is as large as a map is in single precision, which halves the time: a sum over a spot is then right
to about a hundred-thousandth, far less than what a Gaussian misses of a real spot.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from napari_petlut.model import FloatArray, SingleArray

REORDERED = {"reassoc", "nsz", "contract"}
"""Sums may be taken in any order, so that several terms are added at once."""
SPREAD_MIN = 0.5
"""Smallest variance of a spot, in squared bins: a spot cannot be narrower than a bin."""
HALO_TILT = 0.9
"""Largest correlation of a halo's two coordinates."""
LANES = 8
"""Boxes around spots are this many bins wide or a multiple, so that loops along them run without a rest."""
END_SQUARED = 12.0
"""Squared Mahalanobis distance at which a spot ends."""
CORE_SQUARED = 6.0
"""The same while a mixture is fitted: tails are less sure to be a crystal's own, and cost time."""
HALO_SPREAD = 0.3
"""Variance of a crystal's halo of scattered events, in squared steps to its neighbours along both axes:
about that of an event shared with a neighbour. Simulated and measured maps are both explained best at 0.2
to 0.35."""
HALO_MAX = 4.0
"""Largest variance of a halo against the largest one of a spot."""
FLAT = 0.05
"""Share of the background that does not come from halos."""


@njit(cache=True)
def core_moments(core: float) -> tuple[float, float]:
    """Return the share of a Gaussian's counts within a squared Mahalanobis distance, and their variance.

    In two dimensions that distance is exponentially distributed, with mean 2.
    """
    share = 1 - np.exp(-core / 2)
    return share, 1 - core / 2 * np.exp(-core / 2) / share


@njit(cache=True)
def window_size(variance0: float, variance1: float, end: float) -> int:
    """Return how many bins the box around a spot of these variances holds at most."""
    high = int(2 * np.sqrt(end * variance0)) + 2
    wide = int(2 * np.sqrt(end * variance1)) + 2
    return int(high * (wide + LANES - 1))


@njit(cache=True, error_model="numpy")
def expected_counts(
    mean: FloatArray,
    cov: FloatArray,
    weight: FloatArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    out: SingleArray,
    end: float,
) -> None:
    """Add every spot to `out`, and keep its values in `window` and its bounds in `box` for `moments`.

    Spots end at the squared Mahalanobis distance `end`.
    """
    height, width = out.shape
    sigmas, lowest = np.sqrt(end), np.exp(-0.5 * end)
    value, factor = np.zeros(width + LANES, np.float32), np.zeros(width + LANES, np.float32)
    nothing = np.float32(0.0)
    for k in range(len(mean)):
        v0, v01, v1 = cov[k, 0], cov[k, 1], cov[k, 2]
        det = v0 * v1 - v01 * v01
        p0, p01, p1 = v1 / det, -v01 / det, v0 / det
        amplitude = weight[k] / (2 * np.pi * np.sqrt(det))
        h0, h1 = sigmas * np.sqrt(v0), sigmas * np.sqrt(v1)
        a0 = min(height, max(0, int(np.ceil(mean[k, 0] - h0))))
        a1 = max(a0, min(height, int(np.floor(mean[k, 0] + h0)) + 1))
        b0 = min(width, max(0, int(np.ceil(mean[k, 1] - h1))))
        b1 = max(b0, min(width, int(np.floor(mean[k, 1] + h1)) + 1))
        wide = b1 - b0
        full = (wide + LANES - 1) // LANES * LANES
        if b0 + full <= width:
            wide = full
        box[k, 0], box[k, 1], box[k, 2], box[k, 3] = a0, a1, b0, b0 + wide
        # From bin to bin a Gaussian is a geometric sequence of second order: a few exponentials make all of
        # it, along the first row and from there down every column.
        d0, d1 = a0 - mean[k, 0], b0 - mean[k, 1]
        here = amplitude * np.exp(-0.5 * (p0 * d0 * d0 + 2 * p01 * d0 * d1 + p1 * d1 * d1))
        right, right_again = np.exp(-(p01 * d0 + p1 * (d1 + 0.5))), np.exp(-p1)
        down, down_right = np.exp(-(p0 * (d0 + 0.5) + p01 * d1)), np.exp(-p01)
        down_again = np.float32(np.exp(-p0))
        for j in range(wide):
            value[j], factor[j] = np.float32(here), np.float32(down)
            here *= right
            right *= right_again
            down *= down_right
        least = np.float32(amplitude * lowest)
        n = 0
        for i in range(a0, a1):
            kept, row = window[k, n : n + wide], out[i, b0 : b0 + wide]
            for j in range(wide):
                inside = value[j] if value[j] > least else nothing
                kept[j] = inside
                row[j] += inside
                value[j] *= factor[j]
                factor[j] *= down_again
            n += wide


@njit(cache=True, fastmath=REORDERED)
def total(values: SingleArray) -> float:
    """Return the sum of a map; long sums are taken in double precision."""
    out = 0.0
    for i in range(values.shape[0]):
        row = np.float32(0.0)
        for j in range(values.shape[1]):
            row += values[i, j]
        out += float(row)
    return out


@njit(cache=True)
def lay_halos(
    mean: FloatArray,
    weight: FloatArray,
    limit: FloatArray,
    flat: SingleArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    out: SingleArray,
) -> None:
    """Fill `out` with all crystals' halos and a share of `flat`, together as many counts as `flat` holds."""
    rows, cols = weight.shape
    cov = np.zeros((rows * cols, 3))
    for i in range(rows):
        for j in range(cols):
            k = i * cols + j
            cov[k, 0], cov[k, 2] = SPREAD_MIN, SPREAD_MIN
            for axis in range(2):
                if axis == 0:
                    a, b = max(i - 1, 0), min(i + 1, rows - 1)
                    d0, d1 = mean[b, j, 0] - mean[a, j, 0], mean[b, j, 1] - mean[a, j, 1]
                else:
                    a, b = max(j - 1, 0), min(j + 1, cols - 1)
                    d0, d1 = mean[i, b, 0] - mean[i, a, 0], mean[i, b, 1] - mean[i, a, 1]
                part = HALO_SPREAD / max(b - a, 1) ** 2
                cov[k, 0] += part * d0 * d0
                cov[k, 1] += part * d0 * d1
                cov[k, 2] += part * d1 * d1
            shrink = min(1.0, HALO_MAX * limit[0] / cov[k, 0], HALO_MAX * limit[1] / cov[k, 2])
            tilt = HALO_TILT * np.sqrt(cov[k, 0] * cov[k, 2])
            cov[k, 0] *= shrink
            cov[k, 1] = shrink * min(max(cov[k, 1], -tilt), tilt)
            cov[k, 2] *= shrink
    out[:] = 0.0
    expected_counts(mean.reshape(rows * cols, 2), cov, weight.ravel(), window, box, out, CORE_SQUARED)
    scale = np.float32((1 - FLAT) * total(flat) / max(total(out), 1e-9))
    share = np.float32(FLAT)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = scale * out[i, j] + share * flat[i, j]


@njit(cache=True, fastmath=REORDERED)
def moments(
    mean: FloatArray,
    window: SingleArray,
    box: npt.NDArray[np.int64],
    ratio: SingleArray,
    out: FloatArray,
) -> None:
    """Fill `out` (n, 6) with each spot's share of the counts and its first and second moments."""
    for k in range(len(mean)):
        s, s0, s1, s00, s01, s11 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        first, wide = np.float32(box[k, 2] - mean[k, 1]), box[k, 3] - box[k, 2]
        n = 0
        for i in range(box[k, 0], box[k, 1]):
            kept, share = window[k, n : n + wide], ratio[i, box[k, 2] : box[k, 3]]
            row, row1, row11 = np.float32(0.0), np.float32(0.0), np.float32(0.0)
            for j in range(wide):
                d1 = first + np.float32(j)
                g = kept[j] * share[j]
                row += g
                row1 += g * d1
                row11 += g * d1 * d1
            n += wide
            d0 = i - mean[k, 0]
            s += float(row)
            s0 += row * d0
            s1 += float(row1)
            s00 += row * d0 * d0
            s01 += row1 * d0
            s11 += float(row11)
        out[k, 0], out[k, 1], out[k, 2] = s, s0, s1
        out[k, 3], out[k, 4], out[k, 5] = s00, s01, s11


@njit(cache=True, fastmath=REORDERED, error_model="numpy")
def explain(
    counts: SingleArray, shape: SingleArray, background: float, model: SingleArray, ratio: SingleArray
) -> float:
    """Add the background to the spots in `model`; return its share of the counts.

    `ratio` is filled with the counts over what is expected.
    """
    share = 0.0
    scale, least = np.float32(background), np.float32(1e-9)
    for i in range(counts.shape[0]):
        row = np.float32(0.0)
        for j in range(counts.shape[1]):
            behind = scale * shape[i, j]
            expected = model[i, j] + behind + least
            seen = counts[i, j] / expected
            ratio[i, j] = seen
            model[i, j] = expected
            row += behind * seen
        share += float(row)
    return share


TILT_MAX = 0.6
"""Largest correlation of a spot's two coordinates."""
SPREAD_SHRINK = 0.3
"""Weight of the neighbourhood's mean covariance against the crystal's own; more pulls spots of crowded edges
off their place, as do counts that lean on the neighbours."""
ALONG = 0.03
"""Stiffness along a coordinate against that across: the pitch pattern of a block is not smooth."""


@njit(cache=True)
def bend_bands(n: int) -> FloatArray:
    """Return D'D of n places, D the second difference: its diagonal and the two below, shape (n, 3)."""
    out = np.zeros((n, 3))
    for start in range(n - 2):
        for k, main in ((start, 1.0), (start + 1, 4.0), (start + 2, 1.0)):
            out[k, 0] += main
        out[start + 1, 1] -= 2.0
        out[start + 2, 1] -= 2.0
        out[start + 2, 2] += 1.0
    return out


@njit(cache=True)
def bend_forces(places: FloatArray, bands: FloatArray, out: FloatArray) -> None:
    """Fill `out` with D'D times every column of `places` (n, columns)."""
    n, columns = places.shape
    out[:] = 0.0
    for i in range(n):
        for c in range(columns):
            out[i, c] += bands[i, 0] * places[i, c]
        for below in range(1, min(i, 2) + 1):
            for c in range(columns):
                out[i, c] += bands[i, below] * places[i - below, c]
                out[i - below, c] += bands[i, below] * places[i, c]


@njit(cache=True, error_model="numpy")
def solve_lines(
    diagonal: FloatArray, stiffness: float, bands: FloatArray, right: FloatArray, out: FloatArray
) -> None:
    """Solve (diag(diagonal) + stiffness * D'D) x = right for every column, D the second difference.

    By banded L D L' factors, all columns at once: divisions take the time, and several are done together.

    Parameters
    ----------
    diagonal, right, out : ndarray of float64, shape (n, columns)
    stiffness : float
    bands : ndarray of float64, shape (n, 3)
        From `bend_bands`.
    """
    n, columns = right.shape
    inverse, low = np.empty((n, columns)), np.zeros((n + 2, 2, columns))
    for i in range(n):
        main, one, two = stiffness * bands[i, 0], stiffness * bands[i, 1], stiffness * bands[i, 2]
        for c in range(columns):
            pivot, value = diagonal[i, c] + main, right[i, c]
            if i >= 2:
                l2 = two * inverse[i - 2, c]
                u1 = one - two * low[i - 1, 0, c]
                pivot -= l2 * two
                value -= l2 * out[i - 2, c]
                low[i, 1, c] = l2
            else:
                u1 = one
            if i >= 1:
                l1 = u1 * inverse[i - 1, c]
                pivot -= l1 * u1
                value -= l1 * out[i - 1, c]
                low[i, 0, c] = l1
            inverse[i, c] = 1.0 / pivot
            out[i, c] = value
    for i in range(n - 1, -1, -1):
        for c in range(columns):
            value = out[i, c] * inverse[i, c]
            if i + 1 < n:
                value -= low[i + 1, 0, c] * out[i + 1, c]
            if i + 2 < n:
                value -= low[i + 2, 1, c] * out[i + 2, c]
            out[i, c] = value


@njit(cache=True)
def tie_centres(
    wanted: FloatArray, old: FloatArray, evidence: FloatArray, stiffness: float, out: FloatArray
) -> None:
    """Move centres (rows, cols, 2) towards `wanted`, held by the stiffness of their lines.

    Across a coordinate the lines are solved exactly; the weak stiffness along it enters from `old`, which
    converges with the iterations around it.
    """
    rows, cols = evidence.shape
    extra = 6.0 * ALONG * stiffness
    for axis in range(2):
        # Lines run along the first axis of these; a row of crystals is a line of the first coordinate.
        length, lines = (cols, rows) if axis == 0 else (rows, cols)
        bands, across = bend_bands(length), bend_bands(lines)
        place, force = np.empty((lines, length)), np.empty((lines, length))
        diagonal, right = np.empty((length, lines)), np.empty((length, lines))
        solved = np.empty((length, lines))
        for i in range(lines):
            for j in range(length):
                place[i, j] = old[i, j, 0] if axis == 0 else old[j, i, 1]
        bend_forces(place, across, force)
        for i in range(lines):
            for j in range(length):
                r, c = (i, j) if axis == 0 else (j, i)
                diagonal[j, i] = evidence[r, c] + extra
                right[j, i] = evidence[r, c] * wanted[r, c, axis] + extra * place[i, j]
                right[j, i] -= ALONG * stiffness * force[i, j]
        solve_lines(diagonal, stiffness, bands, right, solved)
        for i in range(lines):
            for j in range(length):
                r, c = (i, j) if axis == 0 else (j, i)
                out[r, c, axis] = solved[j, i]


@njit(cache=True)
def mean_of_neighbours(values: FloatArray, out: FloatArray) -> None:
    """Fill `out` with the 3 x 3 mean of `values` (rows, cols, n); outer lines are repeated outwards."""
    rows, cols, depth = values.shape
    for i in range(rows):
        for j in range(cols):
            for d in range(depth):
                total = 0.0
                for a in range(i - 1, i + 2):
                    for b in range(j - 1, j + 2):
                        total += values[min(max(a, 0), rows - 1), min(max(b, 0), cols - 1), d]
                out[i, j, d] = total / 9.0


@njit(cache=True, error_model="numpy")
def update_spread(own: FloatArray, evidence: FloatArray, limit: FloatArray, cov: FloatArray) -> None:
    """Shrink covariances (rows, cols, 3) towards their neighbourhood and keep them within bounds."""
    rows, cols = evidence.shape
    weighted, mean = np.zeros((rows, cols, 4)), np.zeros((rows, cols, 4))
    for i in range(rows):
        for j in range(cols):
            for d in range(3):
                weighted[i, j, d] = own[i, j, d] * evidence[i, j]
            weighted[i, j, 3] = evidence[i, j]
    mean_of_neighbours(weighted, mean)
    for i in range(rows):
        for j in range(cols):
            e = evidence[i, j]
            for d in range(3):
                near = mean[i, j, d] / mean[i, j, 3]
                cov[i, j, d] = (e * own[i, j, d] + SPREAD_SHRINK * near) / (e + SPREAD_SHRINK)
            cov[i, j, 0] = min(max(cov[i, j, 0], SPREAD_MIN), limit[0])
            cov[i, j, 2] = min(max(cov[i, j, 2], SPREAD_MIN), limit[1])
            tilt = TILT_MAX * np.sqrt(cov[i, j, 0] * cov[i, j, 2])
            cov[i, j, 1] = min(max(cov[i, j, 1], -tilt), tilt)


HALO_STEPS = (0, 4, 12)
"""Iterations before which the halos are laid anew."""
MIN_EVIDENCE = 0.02
"""Least weight of a crystal's own data in its position, so that a dead one hangs on its neighbours."""
DARK_EVIDENCE = 1e-3
"""Weight of its last place in the position of a crystal that is taken for dead."""


@njit(cache=True, error_model="numpy")
def take_shares(
    stats: FloatArray,
    mean: FloatArray,
    cov: FloatArray,
    dark: npt.NDArray[np.bool_],
    typical: float,
    power: float,
    core: float,
    wanted: FloatArray,
    own: FloatArray,
    evidence: FloatArray,
    weight: FloatArray,
) -> None:
    """Fill in where each crystal wants to be, its own covariance, its evidence and its counts.

    `stats` (rows * cols, 6) are the moments of its share of the counts. Dark ones stay as they are, without
    counts. `typical`, `power` and `core` as in `run_mixture`.
    """
    rows, cols = weight.shape
    core_share, core_variance = core_moments(core)
    for i in range(rows):
        for j in range(cols):
            if dark[i, j]:
                weight[i, j], evidence[i, j] = 0.0, DARK_EVIDENCE
                wanted[i, j, 0], wanted[i, j, 1] = mean[i, j, 0], mean[i, j, 1]
                own[i, j, 0], own[i, j, 1], own[i, j, 2] = cov[i, j, 0], cov[i, j, 1], cov[i, j, 2]
                continue
            share = stats[i * cols + j]
            s = max(share[0], 1e-6)
            d0, d1 = share[1] / s, share[2] / s
            wanted[i, j, 0], wanted[i, j, 1] = mean[i, j, 0] + d0, mean[i, j, 1] + d1
            own[i, j, 0] = (share[3] / s - d0 * d0) / core_variance
            own[i, j, 1] = (share[4] / s - d0 * d1) / core_variance
            own[i, j, 2] = (share[5] / s - d1 * d1) / core_variance
            lit = min(1.0, s / max(typical, 1e-6))
            evidence[i, j] = max(MIN_EVIDENCE, lit if power == 1.0 else lit**power)
            weight[i, j] = s / core_share


@njit(cache=True, error_model="numpy")
def run_mixture(
    counts: FloatArray,
    flat: FloatArray,
    mean: FloatArray,
    cov: FloatArray,
    weight: FloatArray,
    stiffness: FloatArray,
    limit: FloatArray,
    pinned: npt.NDArray[np.bool_],
    dark: npt.NDArray[np.bool_],
    scale: tuple[float, float, float],
    typical: float,
    halos: bool,
    done: int,
    power: float,
    core: float,
) -> tuple[float, FloatArray]:
    """Iterate; `mean`, `cov` and `weight` (rows, cols, ...) are changed in place.

    `scale` is the first guess of the scale of the background, its smallest and its largest value; `typical`
    the counts of a fully lit crystal, 0 for the median of those that are fitted. With `halos` those make most
    of the background, otherwise `flat` is all there is behind the spots. `done` iterations were done before.
    `power` says how much less crystals with few counts decide their own place, and `core` where their spots
    end while they are fitted, see `MixtureSchedule`.
    """
    rows, cols = mean.shape[:2]
    n = rows * cols
    for i in range(rows):
        for j in range(cols):
            if dark[i, j]:
                weight[i, j] = 0.0
    largest = max(END_SQUARED, HALO_MAX * CORE_SQUARED if halos else 0.0)
    size = window_size(max(limit[0], cov[..., 0].max()), max(limit[1], cov[..., 2].max()), largest)
    window = np.empty((n, size), np.float32)
    seen, even = counts.astype(np.float32), flat.astype(np.float32)
    shape = even.copy()
    box = np.zeros((n, 4), np.int64)
    stats = np.zeros((n, 6))
    ratio, model = np.zeros_like(seen), np.zeros_like(seen)
    wanted, own = np.zeros((rows, cols, 2)), np.zeros((rows, cols, 3))
    evidence, tied = np.zeros((rows, cols)), np.zeros((rows, cols, 2))
    background, all_shape = scale[0], total(shape)
    place = mean.reshape(n, 2)
    last = len(stiffness)
    for step in range(last + 1):
        if halos and (step == 0 or step + done in HALO_STEPS):
            lay_halos(mean, weight, limit, even, window, box, shape)
            all_shape = total(shape)
        model[:] = 0.0
        expected_counts(
            place,
            cov.reshape(n, 3),
            weight.ravel(),
            window,
            box,
            model,
            END_SQUARED if step == last else core,
        )
        share = explain(seen, shape, background, model, ratio)
        if step == last:
            break
        moments(place, window, box, ratio, stats)
        background = min(scale[2], max(scale[1], share / all_shape))
        median = typical if typical > 0 else np.median(stats[:, 0])
        take_shares(stats, mean, cov, dark, median, power, core, wanted, own, evidence, weight)
        tie_centres(wanted, mean, evidence, stiffness[step], tied)
        for i in range(rows):
            for j in range(cols):
                if not pinned[i, j]:
                    mean[i, j, 0], mean[i, j, 1] = tied[i, j, 0], tied[i, j, 1]
        update_spread(own, evidence, limit, cov)
    return background, model.astype(np.float64)
