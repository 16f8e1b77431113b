"""Two LUTs of the same block: where they agree, by pixels and by counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model import CrystalLUT, FloatArray

Confusion: TypeAlias = "csr_array[np.float64, tuple[int, int]]"

__all__ = ["CrystalAgreement", "LUTComparison", "compare_luts", "disagreement"]


@dataclass(frozen=True)
class CrystalAgreement:
    """How one crystal of the first LUT fares in the second.

    Parameters
    ----------
    crystal, row, col : int
    pixels : float
        Share of its pixels that the second LUT gives to it too, 0 to 1.
    counts : float
        The same share of its counts; NaN without a map, or where the map has none there.
    taken_by : int
        Crystal of the second LUT that has most of what does not agree, by counts where they are known, else
        by pixels; -1 for "no crystal", or if all agrees.
    taken : float
        That crystal's part of all the first LUT gives to this crystal, 0 to 1.
    """

    crystal: int
    row: int
    col: int
    pixels: float
    counts: float
    taken_by: int
    taken: float


@dataclass(frozen=True, eq=False)
class LUTComparison:
    """What `compare_luts` finds.

    Parameters
    ----------
    geometry : BlockGeometry
    pixels : float
        Share of all pixels that both LUTs give to the same crystal, or both to none.
    claimed_pixels : float
        The same, without the pixels that both give to none; NaN if there is no other.
    counts : float
        Share of all counts in pixels that agree; NaN without a map.
    crystal_pixels, crystal_counts : ndarray of float64, shape (rows * cols,)
        By crystal id: share of the first LUT's pixels, or counts, of the crystal that the second gives to it
        too; NaN where the first has none.
    confusion : scipy.sparse.csr_array of float64, shape (rows * cols + 1, rows * cols + 1)
        Counts, or pixels without a map, by crystal id of the first LUT (axis 0) and of the second (axis 1);
        the last row and column are "no crystal".
    """

    geometry: BlockGeometry
    pixels: float
    claimed_pixels: float
    counts: float
    crystal_pixels: FloatArray
    crystal_counts: FloatArray
    confusion: Confusion

    @property
    def only_a(self) -> float:
        """Share of all counts (pixels without a map) that only the first LUT gives to a crystal, 0 to 1."""
        return float(self.confusion[:-1, [-1]].sum() / self.confusion.sum())

    @property
    def only_b(self) -> float:
        """The same for the second LUT."""
        return float(self.confusion[[-1], :-1].sum() / self.confusion.sum())

    def worst(self, n: int = 10) -> list[CrystalAgreement]:
        """Return the `n` crystals that agree least, worst first; those that agree fully are left out.

        They are ranked by counts where these are known, else by pixels; ties go by id.
        """
        share = np.where(np.isnan(self.crystal_counts), self.crystal_pixels, self.crystal_counts)
        doubtful = np.flatnonzero(share < 1)
        ranked = doubtful[np.argsort(share[doubtful], kind="stable")][: max(n, 0)]
        return [self.of_crystal(int(crystal)) for crystal in ranked]

    def of_crystal(self, crystal: int) -> CrystalAgreement:
        """Return how the crystal of an id fares."""
        weights = self.confusion[[crystal]].toarray()[0]
        total = weights.sum()
        weights[crystal] = 0
        most = int(weights.argmax())
        disagreeing = weights[most] > 0
        return CrystalAgreement(
            crystal,
            *divmod(crystal, self.geometry.cols),
            pixels=float(self.crystal_pixels[crystal]),
            counts=float(self.crystal_counts[crystal]),
            taken_by=most if disagreeing and most < len(self.geometry) else NO_CRYSTAL,
            taken=float(weights[most] / total) if disagreeing else 0.0,
        )


def compare_luts(a: CrystalLUT, b: CrystalLUT, counts: npt.ArrayLike | None = None) -> LUTComparison:
    """Compare two LUTs of the same block.

    With the flood map ``F``, the share of counts that agree is ``sum(F[a == b]) / sum(F)``; without it every
    pixel counts the same. Crystal by crystal the sums run over the pixels that `a` gives to the crystal.

    Parameters
    ----------
    a, b : CrystalLUT
        Of the same geometry and shape; `a` is the reference.
    counts : array_like of float, shape (n0, n1), optional
        Flood map on the same pixels.

    Returns
    -------
    LUTComparison

    Raises
    ------
    GeometryError
        If the LUTs differ in geometry or shape, or the map in shape.
    ParameterError
        If the map has no counts, or values that are no counts.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_petlut import BlockGeometry, CrystalLUT
    >>> block = BlockGeometry(1, 2)
    >>> a = CrystalLUT(np.array([[0, 0, 1, 1]]), block)
    >>> b = CrystalLUT(np.array([[0, 1, 1, 1]]), block)
    >>> found = compare_luts(a, b, counts=[[7, 1, 1, 1]])
    >>> found.pixels, found.counts
    (0.75, 0.9)
    >>> found.worst(1)[0].crystal
    0
    """
    _check_alike(a, b)
    weights = None if counts is None else _checked_counts(counts, a.shape)
    pixel_confusion = _confusion(a, b, np.ones(a.shape))
    confusion = pixel_confusion if weights is None else _confusion(a, b, weights)
    total, agreeing = pixel_confusion.sum(), pixel_confusion.diagonal().sum()
    none = pixel_confusion.diagonal()[-1]
    return LUTComparison(
        a.geometry,
        pixels=float(agreeing / total),
        claimed_pixels=float((agreeing - none) / (total - none)) if total > none else float("nan"),
        counts=float("nan") if weights is None else float(confusion.diagonal().sum() / confusion.sum()),
        crystal_pixels=_diagonal_share(pixel_confusion),
        crystal_counts=np.full(len(a.geometry), np.nan) if weights is None else _diagonal_share(confusion),
        confusion=confusion,
    )


def _confusion(a: CrystalLUT, b: CrystalLUT, weights: FloatArray) -> Confusion:
    n = len(a.geometry)
    pairs = tuple(np.where(lut.ids < 0, n, lut.ids).ravel() for lut in (a, b))
    confusion: Confusion = coo_array((weights.ravel(), pairs), shape=(n + 1, n + 1)).tocsr()
    return confusion


def disagreement(a: CrystalLUT, b: CrystalLUT) -> npt.NDArray[np.bool_]:
    """Return True for the pixels that two LUTs give to different crystals, shape (n0, n1).

    Raises
    ------
    GeometryError
        If the LUTs differ in geometry or shape.
    """
    _check_alike(a, b)
    return np.asarray(a.ids != b.ids)


def _check_alike(a: CrystalLUT, b: CrystalLUT) -> None:
    if a.geometry != b.geometry:
        raise GeometryError(
            f"the LUTs are of different blocks, {a.geometry} and {b.geometry}; compare two of the same block"
        )
    if a.shape != b.shape:
        sizes = " and ".join(f"{lut.shape[0]} x {lut.shape[1]}" for lut in (a, b))
        raise GeometryError(f"the LUTs have {sizes} pixels; resample one of them to the other's size")


def _checked_counts(counts: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    weights = np.asarray(counts, dtype=np.float64)
    if weights.shape != shape:
        raise GeometryError(
            f"the flood map has shape {weights.shape}, the LUTs {shape}; use the map the LUTs were made for"
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or not weights.any():
        raise ParameterError("the flood map needs counts: finite, not negative, and not all zero")
    return weights


def _diagonal_share(confusion: Confusion) -> FloatArray:
    """Return the diagonal's share of each crystal's row, NaN for empty rows; "no crystal" is left out."""
    totals: FloatArray = np.asarray(confusion.sum(axis=1))[:-1]
    share = np.full(len(totals), np.nan)
    np.divide(confusion.diagonal()[:-1], totals, out=share, where=totals > 0)
    return share
