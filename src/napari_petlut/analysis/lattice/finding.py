"""Find the lattice of a flood map: every crystal, its number, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from napari_petlut.analysis.lattice.concluding.conclusion import conclude
from napari_petlut.analysis.lattice.concluding.limits import of_unsure_size
from napari_petlut.analysis.lattice.fitting.contest import Budget, Contest, Hypothesis
from napari_petlut.analysis.lattice.fitting.mixture import MixtureSchedule, fit_mixture
from napari_petlut.analysis.lattice.grids import median, node_distance
from napari_petlut.analysis.lattice.parameters import LatticeParameters
from napari_petlut.analysis.lattice.searching.schedule import search
from napari_petlut.analysis.lattice.seeing.binned import BinnedMap
from napari_petlut.analysis.lattice.seeing.frame import NOWHERE_CUT, continued, cut_sides, without_sides
from napari_petlut.analysis.lattice.seeing.repeated import repeated_pixels
from napari_petlut.analysis.lattice.seeing.scene import Scene, look_at
from napari_petlut.analysis.lattice.seeing.squaring import stretched_lattice
from napari_petlut.analysis.lattice.sizes.proposal import SETTLED_SIZE, propose_geometry
from napari_petlut.analysis.lattice.sureness.confidence import resolutions
from napari_petlut.analysis.lattice.sureness.merged import relative_weight
from napari_petlut.analysis.lattice.wishes import Wishes, checked_fixed, checked_prior, place_fixed
from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.binning import to_bins
from napari_petlut.maps.grids import fill_holes, spans
from napari_petlut.model import FloatArray, Lattice

FINAL_BINS = 9.0
"""Bins per pitch of the last fit, which places the crystals between pixels."""
FINAL_SCHEDULE = MixtureSchedule(iterations=40, stiffness_start=0.01, stiffness_end=0.002, power=2.0)
"""The last fit starts about where the ranking ended and lets the lines go further; what is merged takes many
iterations to come to rest."""
INNER_SCHEDULE = replace(FINAL_SCHEDULE, core=4.0)
"""The same with less of the spots' tails, which are no Gaussian's: where spots barely resolve, crystals come
nearer to their true places."""
BARELY_RESOLVED = 1.05
"""Median over crystals of the distance to the nearest neighbour over the width of the spots (FWHM) below
which that is worth a second fit."""
STEADY = 0.05
"""A crystal that both fits put to within this, in local pitches, goes where the second one puts it. Others
are faint or merged: little holds them in place, and their tails are part of it."""
LARGEST_REFINEMENT = 0.3
"""A crystal that the last fit moves further than this, in local pitches, stays where it was: it has left its
spot for another one."""
FAINT = 0.15
"""A crystal with less than this share of the counts around it is put where its neighbours' lines pass: what
draws it elsewhere are the tails of brighter ones."""

FEWEST_PIXELS = 8
"""Along each axis of a flood map."""
PIXELS_APART = 2
"""Pixels that a crystal needs along each axis, so that there is one between its top and the next."""


def _ignore(_: float) -> None:
    """Take no notice of progress."""


def _go_on() -> bool:
    """Do not cancel."""
    return False


def find_lattice(
    counts: npt.ArrayLike,
    geometry: BlockGeometry | None,
    params: LatticeParameters = LatticeParameters(),
    *,
    fixed: Mapping[int, tuple[float, float]] | None = None,
    prior: npt.NDArray[np.float64] | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Lattice:
    """Find and number every crystal of a flood map.

    Spots are found and joined to a grid; where that is complete, it is fitted and done. Otherwise lattices
    compete: counts are spread evenly by optimal transport, lines are put where the waves of the map say,
    every lattice is fitted as a mixture of tied Gaussians, shifted, traced anew and repaired, and the one
    that explains the map best wins. What it wins against says how sure it is.

    Parameters
    ----------
    counts : array_like of float, shape (n0, n1)
        Flood map, counts per pixel.
    geometry : BlockGeometry or None
        None proposes the number of rows and columns from the map.
    params : LatticeParameters
    fixed : mapping of int to (float, float), optional
        Crystals that a person placed: id to (axis 0, axis 1) in pixels. They stay, the rest is solved
        around them.
    prior : ndarray of float64, shape (rows, cols, 2), optional
        Lattice of a block of the same design, in pixels of this map. Decides what the map leaves open.
    progress : callable, optional
        Called with the fraction done, 0 to 1.
    cancelled : callable, optional
        Asked now and then; the search stops when it returns True.

    Returns
    -------
    Lattice

    Raises
    ------
    GeometryError
        If the array has a single row or column, or more crystals than the map has pixels for, a fixed crystal
        or the prior does not fit it, or no grid is seen where it is not given.
    ParameterError
        If the map is no 2-D array of counts.
    Cancelled
        If `cancelled` returned True.

    Examples
    --------
    >>> import numpy as np
    >>> place = np.arange(80)
    >>> row = sum(np.exp(-((place - c) ** 2) / 8) for c in (15, 30, 45, 60))
    >>> lattice = find_lattice(100 * np.outer(row, row), BlockGeometry(4, 4))
    >>> lattice.grid[1, 2].round().tolist()
    [30.0, 45.0]
    """
    counts = checked_counts(counts)
    repeats = repeated_pixels(counts)
    if repeats != (1, 1) and min(np.array(counts.shape) // repeats) >= FEWEST_PIXELS:
        places = {} if geometry is None else checked_fixed(fixed, geometry)
        lattice = find_lattice(
            counts[:: repeats[0], :: repeats[1]],
            geometry,
            params,
            fixed={k: tuple(to_bins(np.array(at), repeats).tolist()) for k, at in places.items()},
            prior=None if prior is None else to_bins(prior, repeats),
            progress=progress,
            cancelled=cancelled,
        )
        return place_fixed(stretched_lattice(lattice, repeats), places)
    sides = cut_sides(counts)
    if sides != NOWHERE_CUT:
        # What the frame cuts is continued beyond it, and the lattice of that taken back.
        before = np.array([sides[0][0], sides[1][0]], dtype=np.float64)
        places = {} if geometry is None else checked_fixed(fixed, geometry)
        lattice = _find_within(
            continued(counts, sides),
            geometry,
            params,
            {k: (at[0] + before[0], at[1] + before[1]) for k, at in places.items()},
            None if prior is None else prior + before,
            progress,
            cancelled,
        )
        return place_fixed(without_sides(lattice, before, counts.shape), places)
    return _find_within(counts, geometry, params, fixed, prior, progress, cancelled)


def _find_within(
    counts: FloatArray,
    geometry: BlockGeometry | None,
    params: LatticeParameters,
    fixed: Mapping[int, tuple[float, float]] | None,
    prior: npt.NDArray[np.float64] | None,
    progress: Callable[[float], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Lattice:
    """Find the lattice of a map whose frame cuts no spots; see `find_lattice`."""
    notes: list[str] = []
    unsure = 0.0
    if geometry is not None:
        require_room(counts.shape, geometry)
    if geometry is None:
        proposal = propose_geometry(counts)[0]
        geometry = proposal.geometry
        unsure = proposal.confidence if proposal.confidence < SETTLED_SIZE else 0.0
        notes.append(f"the geometry {geometry} was proposed from the map: {proposal.reason}")
    if min(geometry.shape) < 2:
        raise GeometryError(
            f"a lattice is searched in at least 2 x 2 crystals, not {geometry}; place the peaks by hand"
        )
    places = checked_fixed(fixed, geometry)
    wishes = Wishes(geometry, prior=checked_prior(prior, geometry)).pinning(places)
    report = progress if progress is not None else _ignore
    with _threads().limit(limits=1, user_api="blas"):
        scene = look_at(counts, geometry)
        solution = solve(scene, wishes, params.max_hypotheses, progress=report, cancelled=cancelled or _go_on)
        grid = refine(solution.contest, solution.best)
        report(0.95)
        lattice = conclude(solution.contest, solution.best, grid, params)
    lattice = stretched_lattice(lattice, scene.factors)
    if unsure:
        lattice = of_unsure_size(lattice, unsure)
    lattice = replace(lattice, doubts=tuple(notes) + lattice.doubts)
    report(1.0)
    return place_fixed(lattice, places)


@dataclass(frozen=True, eq=False)
class Solution:
    """What a search learned about a map.

    Parameters
    ----------
    contest : Contest
        What was seen, what was wished, and all lattices that were fitted: the best one won against them.
    best : Hypothesis
    """

    contest: Contest
    best: Hypothesis


def solve(
    scene: Scene,
    wishes: Wishes,
    max_hypotheses: int,
    *,
    progress: Callable[[float], None] = _ignore,
    cancelled: Callable[[], bool] = _go_on,
    without: Collection[str] = (),
) -> Solution:
    """Search the lattice that explains a map best.

    Parameters
    ----------
    scene : Scene
    wishes : Wishes
        In pixels of the flood map.
    max_hypotheses : int
        See `LatticeParameters`.
    progress : callable, optional
        Called with the fraction of the whole work that is done, 0.1 to 0.9.
    cancelled : callable, optional
        Asked now and then; the search stops when it returns True.
    without : collection of str, optional
        Names of the steps of the search to leave out, see `searching.schedule.STEPS`.
    """
    budget = Budget(max_hypotheses, cancelled=cancelled)
    contest = Contest(scene, wishes.moved(scene.to_scene), budget)
    progress(0.1)
    best = search(contest, lambda done: progress(0.1 + 0.8 * done), without=without)
    return Solution(contest, best)


def require_room(shape: tuple[int, ...], geometry: BlockGeometry) -> None:
    """Raise `GeometryError` if a map has less than two pixels for a crystal along an axis.

    Two tops one pixel apart are one; the search for very many of them takes minutes and a gigabyte.
    """
    if any(pixels < PIXELS_APART * n for pixels, n in zip(shape, geometry.shape, strict=True)):
        raise GeometryError(
            f"{geometry} crystals cannot be told apart on {shape[0]} x {shape[1]} pixels, less than "
            f"{PIXELS_APART} for each; give the block's own rows and columns, or a finer map"
        )


@cache
def _threads() -> ThreadpoolController:
    """Return the control over BLAS threads; looking for the libraries takes longer than a clear block."""
    return ThreadpoolController()


def checked_counts(counts: npt.ArrayLike) -> FloatArray:
    """Return a flood map's counts as an array, checked.

    Raises
    ------
    ParameterError
        If it is no 2-D array of finite counts, not negative and not all zero.
    """
    array = np.ascontiguousarray(counts, dtype=np.float64)
    if array.ndim != 2 or min(array.shape) < FEWEST_PIXELS:
        raise ParameterError(f"a flood map is a 2-D array of at least 8 x 8 pixels, not {array.shape}")
    if not np.isfinite(array).all() or array.min() < 0:
        raise ParameterError("a flood map holds counts: finite and not negative")
    if array.max() <= 0:
        raise ParameterError("the flood map holds no counts")
    return array


def refine(contest: Contest, best: Hypothesis) -> FloatArray:
    """Return the chosen lattice fitted on a finer map.

    Crystals that would leave their place stay, and those with hardly any light follow their neighbours.
    """
    ready, pinned = contest.scene.ready, contest.wishes.pinned
    fine = BinnedMap.from_counts(ready.counts, ready.pitch, FINAL_BINS)
    fit = fit_mixture(best.grid, fine, FINAL_SCHEDULE, pinned, best.dark)
    grid = fit.grid
    if median(resolutions(fit)[0]) < BARELY_RESOLVED:
        inner = fit_mixture(best.grid, fine, INNER_SCHEDULE, pinned, best.dark)
        steady = node_distance(inner.grid, grid) < STEADY
        grid = np.where(steady[..., None], inner.grid, grid)
    away = node_distance(grid, best.grid) > LARGEST_REFINEMENT
    grid = np.where(away[..., None], best.grid, grid)
    faint = (relative_weight(fit.weight) < FAINT) & ~best.dark & ~pinned
    return fill_holes(grid, faint) if spans(~faint) else grid
