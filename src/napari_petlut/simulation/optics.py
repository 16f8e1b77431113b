"""Where a crystal's spot lies and how wide it is, from the light that four photosensors share.

The crystals fill a square of side 2 around (0, 0). A photosensor sits at each corner, as in quadrant
sharing (neighbouring blocks use the same sensors): a crystal near the corner gives nearly all its light to
one sensor, so that spots crowd in the corners and along the edges. With the light shares ``p`` and gains
``g`` of the four sensors, ``Ex`` is the sum of ``g p`` over the two at the low side of axis 0, ``E`` the sum
over all four, and ``x = (1 - Ex / E) * 512``.
"""

from __future__ import annotations

import numpy as np

from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import FloatArray
from napari_petlut.simulation.parameters import BlockSimulation, Stream

FULL_SCALE = 512.0
"""Pixels of the map and size of the position scale."""
SENSORS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
"""Photosensor centres: the corners of the block, in half sides."""
SWIRL_ORDER = 3
"""Highest half wave along the block's side of the smooth displacement field."""
STRETCH = 0.15
"""Strength of waves that only stretch the rows or columns apart, against those that bend them: the makers of
a block even out its mean spacing, but not its swirls."""
CORNER_CALM = 0.7
"""How much less the corners swirl: right above a sensor, a crystal's light has no other way to go."""
SWIRL_STEPS = 4
"""The displacement is made in steps, each small enough never to fold the map over."""
MERGED_REST = 0.06
"""Distance that is left between merged neighbours, as a share of what it was."""


def crystal_places(params: BlockSimulation, merged: list[tuple[int, int]]) -> FloatArray:
    """Return where each crystal seems to sit as the photosensors see it.

    Parameters
    ----------
    params : BlockSimulation
    merged : list of pairs of crystal ids
        Neighbours that are drawn together.

    Returns
    -------
    ndarray of float64, shape (rows * cols, 2)
        (axis 0, axis 1) in half sides of the block, by crystal id.
    """
    r, c = np.meshgrid(np.arange(params.rows), np.arange(params.cols), indexing="ij")
    axes = [
        _walled(r, params.rows, params.walls[:2]),
        _walled(c, params.cols, params.walls[2:]),
    ]
    rng = params.rng(Stream.PLACES)
    pitch = 2.0 / np.array([params.rows, params.cols])
    places = np.stack(axes, axis=-1).reshape(-1, 2)
    places = places + rng.standard_normal(places.shape) * pitch * params.jitter
    for a, b in merged:
        middle, half = (places[a] + places[b]) / 2, (places[a] - places[b]) / 2
        places[a], places[b] = middle + MERGED_REST * half, middle - MERGED_REST * half
    if params.mirror:
        places[:, 0] = -places[:, 0]
    angle, lean = np.radians(params.turn), np.tan(np.radians(params.shear))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = places @ (turn @ np.array([[1.0, lean], [0.0, 1.0]])).T
    return _swirled(places, params)


def _walled(index: np.typing.NDArray[np.intp], n: int, walls: tuple[float, ...]) -> FloatArray:
    """Return crystal coordinates in half sides, pushed away from reflecting walls.

    Light that reaches `s` pitches sideways and is folded back at the wall has the mean distance of a folded
    normal distribution, ``s sqrt(2 / pi) exp(-d^2 / 2 s^2) + d erf(d / (s sqrt 2))``.
    """
    from scipy.special import erf

    from_low = index + 0.5
    place = from_low.astype(np.float64)
    for reach, distance, sign in ((walls[0], from_low, 1.0), (walls[1], n - from_low, -1.0)):
        if reach > 0:
            folded = reach * np.sqrt(2 / np.pi) * np.exp(-(distance**2) / (2 * reach**2))
            folded = folded + distance * erf(distance / (reach * np.sqrt(2)))
            place = place + sign * (folded - distance)
    return np.asarray(place * 2.0 / n - 1.0)


def _swirled(places: FloatArray, params: BlockSimulation) -> FloatArray:
    """Return the places moved by a smooth random field whose typical bending is `distortion`."""
    if params.distortion == 0:
        return places
    rng = params.rng(Stream.SWIRL)
    waves = [
        (p, q) for p in range(SWIRL_ORDER + 1) for q in range(SWIRL_ORDER + 1) if 1 <= p + q <= SWIRL_ORDER
    ]
    strength = np.array(
        [[(STRETCH if q == 0 else 1.0) / (p + q), (STRETCH if p == 0 else 1.0) / (p + q)] for p, q in waves]
    )
    coefficients = rng.standard_normal((len(waves), 2)) * strength
    side = np.linspace(-1, 1, 17)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    field = _field(grid, waves, coefficients).reshape(17, 17, 2)
    bending = np.median(np.concatenate([np.ptp(field[..., 0], axis=1), np.ptp(field[..., 1], axis=0)]))
    coefficients *= 2 * params.distortion / bending / SWIRL_STEPS
    for _ in range(SWIRL_STEPS):
        places = places + _field(places, waves, coefficients)
    return np.asarray(places, np.float64)


def _field(places: FloatArray, waves: list[tuple[int, int]], coefficients: FloatArray) -> FloatArray:
    """Return the displacement at each place: a sum of cosines that are flat at the block's sides."""
    phase = np.pi / 2 * (places + 1)
    basis = np.stack([np.cos(p * phase[:, 0]) * np.cos(q * phase[:, 1]) for p, q in waves], axis=-1)
    over_sensor = 1 - CORNER_CALM * np.clip(np.prod(places**2, axis=1), 0, 1)
    return np.asarray((basis @ coefficients) * over_sensor[:, None])


def light_shares(places: FloatArray, params: BlockSimulation) -> FloatArray:
    """Return the share of a crystal's light that each photosensor gets, before its gain.

    The light falls off over the sensor's rim as a logistic function of the distance from its centre.

    Parameters
    ----------
    places : ndarray of float64, shape (n, 2)
        In half sides of the block.
    params : BlockSimulation

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Rows sum to 1; sensors in the order of `SENSORS`.
    """
    distance = np.hypot(*(places[:, None, :] - SENSORS[None]).transpose(2, 0, 1))
    light = 1.0 / (1.0 + np.exp((distance - params.sensor_radius) / params.light_spread))
    return np.asarray(light / light.sum(axis=1, keepdims=True))


def spot_centres(shares: FloatArray, gains: tuple[float, ...]) -> FloatArray:
    """Return the mean position of each crystal's events, in map pixels with pixel centres at integers.

    Parameters
    ----------
    shares : ndarray of float64, shape (n, 4)
    gains : tuple of 4 float

    Returns
    -------
    ndarray of float64, shape (n, 2)
    """
    signal = shares * np.asarray(gains)
    low = np.stack([signal[:, [0, 1]].sum(axis=1), signal[:, [0, 2]].sum(axis=1)], axis=-1)
    return np.asarray((1 - low / signal.sum(axis=1, keepdims=True)) * FULL_SCALE - 0.5)


def photon_covariances(shares: FloatArray, gains: tuple[float, ...]) -> FloatArray:
    """Return the covariance of each crystal's positions that the photon statistics of one photoelectron give.

    With independent Poisson numbers ``n_j`` of mean ``N p_j``, the ratio ``R = sum_low g n / sum g n`` has to
    first order ``cov(R, R') = sum_j p_j g_j^2 (a_j - R)(a'_j - R') / (N (sum g p)^2)``, ``a_j`` being 1 for
    sensors on the low side. Divide by the number N of photoelectrons.

    Parameters
    ----------
    shares : ndarray of float64, shape (n, 4)
    gains : tuple of 4 float

    Returns
    -------
    ndarray of float64, shape (n, 2, 2)
        In pixels squared, for N = 1.
    """
    g = np.asarray(gains)
    total = (shares * g).sum(axis=1)
    ratio = 1 - (spot_centres(shares, gains) + 0.5) / FULL_SCALE
    on_low = (SENSORS < 0).astype(np.float64)
    lever = on_low[None] - ratio[:, None, :]
    weight = shares * g**2 / total[:, None] ** 2
    return np.asarray(np.einsum("nj,nja,njb->nab", weight, lever, lever) * FULL_SCALE**2)


def neighbour_pairs(rows: int, cols: int) -> tuple[np.typing.NDArray[np.intp], np.typing.NDArray[np.intp]]:
    """Return the ids of neighbouring crystals, along axis 0 first, then along axis 1.

    Returns
    -------
    ndarray of intp, shape (n, 2)
        The pairs.
    ndarray of intp, shape (n,)
        The axis along which each pair lies.
    """
    ids = np.arange(rows * cols).reshape(rows, cols)
    down = np.stack([ids[:-1].ravel(), ids[1:].ravel()], axis=-1)
    along = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()], axis=-1)
    return np.concatenate([down, along]), np.repeat([0, 1], [len(down), len(along)])


def crystal_pairs(geometry: BlockGeometry) -> np.typing.NDArray[np.intp]:
    """Return the ids of neighbouring crystals, shape (n, 2); those along axis 0 come first."""
    return np.concatenate(geometry.neighbours)


def resolutions(
    centres: FloatArray, covariances: FloatArray, pairs: np.typing.NDArray[np.intp]
) -> FloatArray:
    """Return k = distance / FWHM of every pair, the width taken along the line that joins them.

    Parameters
    ----------
    centres : ndarray of float64, shape (n, 2)
    covariances : ndarray of float64, shape (n, 2, 2)
    pairs : ndarray of intp, shape (pairs, 2)
        Ids.

    Returns
    -------
    ndarray of float64, shape (pairs,)
    """
    step = centres[pairs[:, 1]] - centres[pairs[:, 0]]
    distance = np.hypot(step[:, 0], step[:, 1])
    unit = step / np.maximum(distance, 1e-9)[:, None]
    sigma = np.sqrt(np.einsum("na,nmab,nb->nm", unit, covariances[pairs], unit)).mean(axis=1)
    return np.asarray(distance / (FWHM_PER_SIGMA * sigma))


def lattice_spread(centres: FloatArray, rows: int, cols: int) -> FloatArray:
    """Return ``a a' + b b'`` of each crystal's lattice vectors, in pixels squared, shape (n, 2, 2)."""
    grid = centres.reshape(rows, cols, 2)
    total = np.zeros((rows, cols, 2, 2))
    for axis in (0, 1):
        step = np.asarray(np.gradient(grid, axis=axis))
        total += step[..., :, None] * step[..., None, :]
    return total.reshape(-1, 2, 2)
