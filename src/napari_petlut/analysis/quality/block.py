"""How good a block and its LUT are: every figure on the unfiltered map, and a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.quality.crosstalk import crosstalk
from napari_petlut.analysis.quality.crystals import CrystalQuality, lattice_residual, misassignment
from napari_petlut.analysis.quality.lines import line_table
from napari_petlut.analysis.quality.pairs import PairQuality, neighbour_ids, pair_quality
from napari_petlut.analysis.quality.two_site_fit import TwoSiteLight, fit_two_site
from napari_petlut.analysis.quality.verdict import QualityThresholds, Verdict, judge
from napari_petlut.analysis.segmentation import Mixture, MixtureParameters
from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import BlockGeometry
from napari_petlut.maps.cells import cell_counts
from napari_petlut.maps.neighbours import local_pitch
from napari_petlut.model import CrystalLUT, FloatArray, Lattice, PeakStatus

# For figures every spot is fitted freely: peaks hold them as little as a merged pair allows, and the fit
# runs until the widths stand.
_FIT = MixtureParameters(tolerance=0.001, stiffness=0.005, width_sharing=0.03)


@dataclass(frozen=True, eq=False)
class BlockQuality:
    """Figures of merit of a block, and what to do with it.

    Parameters
    ----------
    geometry : BlockGeometry
    crystals : CrystalQuality
        Figures by crystal id.
    rows : PairQuality
        Pairs of neighbouring rows, along axis 0.
    cols : PairQuality
        Pairs of neighbouring columns, along axis 1.
    figures : dict of str to float
        Figures of the block; see `summarise`.
    verdict : Verdict
    reasons : tuple of str
        Why the verdict is not "pass", one line each.
    crosstalk : ndarray of float64, shape (n, n)
        Share of each crystal's events (row) in every cell (column); see `quality.crosstalk.crosstalk`.
    light : TwoSiteLight or None
        The light of scattered events between the spots; None if the spots were given.
    """

    geometry: BlockGeometry
    crystals: CrystalQuality
    rows: PairQuality
    cols: PairQuality
    figures: dict[str, float]
    verdict: Verdict
    reasons: tuple[str, ...]
    crosstalk: FloatArray
    light: TwoSiteLight | None = None

    def crosstalk_table(self, least: float = 0.001) -> dict[str, npt.NDArray[Any]]:
        """Return the crosstalk of each crystal with every cell that gets at least so much, as for a CSV file.

        Columns are the crystal that the gamma hit first, the crystal of the cell, and the share of the
        first's events there.
        """
        with np.errstate(invalid="ignore"):
            first, cell = np.nonzero(self.crosstalk >= least)
        return {"crystal": first, "cell": cell, "share": self.crosstalk[first, cell]}

    def crystal_table(self) -> dict[str, npt.NDArray[Any]]:
        """Return one column per figure, one row per crystal by id, as for a CSV file; none of absent places.

        The figures of pairs appear as the worst of the crystal's neighbours: its smallest k and its smallest
        peak-to-valley ratios.
        """
        ids = np.arange(len(self.geometry))
        row, col = self.geometry.row_col(ids)
        c = self.crystals
        table = {
            "crystal": ids,
            "row": row,
            "col": col,
            "status": c.status,
            "confidence": c.confidence,
            "counts": c.counts,
            "relative_counts": c.relative_counts,
            "fwhm_0": c.fwhm[:, 0],
            "fwhm_1": c.fwhm[:, 1],
            "k": self.worst_of_pairs("k"),
            "pvr_line": self.worst_of_pairs("pvr_line"),
            "pvr_border": self.worst_of_pairs("pvr_border"),
            "misassigned": c.misassigned,
            "misidentified": c.misidentified,
            "residual": c.residual,
            "drift": c.drift,
        }
        return {name: column[self.geometry.present.ravel()] for name, column in table.items()}

    def line_table(self) -> dict[str, npt.NDArray[Any]]:
        """Return k and peak-to-valley ratios within each row and each column; see `quality.lines`."""
        return line_table(self.rows, self.cols, self.geometry)

    def worst_of_pairs(self, figure: str) -> FloatArray:
        """Return the smallest value of a pair figure among each crystal's pairs, NaN without any."""
        worst = np.full(len(self.geometry), np.nan)
        for pairs in (self.rows, self.cols):
            # fmin passes over NaN but keeps infinity, the ratio of an empty valley.
            np.fmin.at(worst, pairs.first, getattr(pairs, figure))
            np.fmin.at(worst, pairs.second, getattr(pairs, figure))
        return worst

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and lists, for JSON; NaN and infinity become None."""
        pairs = {
            name: {
                key: _plain(getattr(part, key))
                for key in ("first", "second", "distance", "k", "pvr_line", "pvr_border")
            }
            for name, part in (("rows", self.rows), ("cols", self.cols))
        }
        return {
            "geometry": {"rows": self.geometry.rows, "cols": self.geometry.cols},
            "verdict": str(self.verdict),
            "reasons": list(self.reasons),
            "figures": {name: value if np.isfinite(value) else None for name, value in self.figures.items()},
            "crystals": {name: _plain(column) for name, column in self.crystal_table().items()},
            "pairs": pairs,
        }


def block_quality(
    counts: npt.ArrayLike,
    lattice: Lattice,
    lut: CrystalLUT,
    thresholds: QualityThresholds | None = None,
    *,
    mixture: Mixture | None = None,
) -> BlockQuality:
    """Return the figures of merit of a block with its lattice and LUT.

    Parameters
    ----------
    counts : array_like, shape (n0, n1)
        The unfiltered flood map.
    lattice : Lattice
        Peaks by crystal id. Missing crystals have no spot and take no part.
    lut : CrystalLUT
        On the map's pixels.
    thresholds : QualityThresholds, optional
    mixture : Mixture, optional
        Spots fitted before; fitted here otherwise, which takes about a tenth of a second.

    Returns
    -------
    quality : BlockQuality

    Raises
    ------
    GeometryError
        If lattice, LUT and map do not belong together.
    ParameterError
        If the map holds no counts, or every crystal is missing.
    """
    values = np.ascontiguousarray(counts, np.float64)
    if lut.geometry != lattice.geometry:
        raise GeometryError(
            f"the lattice is of a {lattice.geometry} block, the LUT of a {lut.geometry} block"
        )
    if values.shape != lut.shape:
        raise GeometryError(f"the map has {values.shape} pixels, the LUT {lut.shape}; they must be the same")
    missing = np.isin(lattice.status, (PeakStatus.MISSING, PeakStatus.ABSENT))
    if missing.all():
        raise ParameterError("every crystal is missing; there is nothing to judge")
    peaks = np.where(missing[:, None], np.nan, lattice.positions)
    light = None
    if mixture is None:
        mixture, light = fit_two_site(values, peaks, lattice.geometry, _FIT)
    means = np.where(mixture.dead[:, None] | missing[:, None], np.nan, mixture.means)
    model = mixture.expected()
    rows, cols = (
        pair_quality(
            values, model, lut.ids, means, mixture.covariances, neighbour_ids(lattice.geometry, axis)
        )
        for axis in (0, 1)
    )
    matrix = crosstalk(mixture, light, lut.ids, lattice.geometry)
    crystals = _crystals(values, lattice, lut, mixture, means, peaks, matrix)
    figures, places = summarise(crystals, rows, cols, local_pitch(peaks))
    figures["crystals"] = float(lattice.geometry.crystals)
    figures["doubtful"] = float(lattice.doubtful.sum() / lattice.geometry.crystals)
    figures["scattered"] = np.nan if light is None else light.share
    verdict, reasons = judge(figures, QualityThresholds() if thresholds is None else thresholds, places)
    return BlockQuality(lattice.geometry, crystals, rows, cols, figures, verdict, reasons, matrix, light)


def _crystals(
    values: FloatArray,
    lattice: Lattice,
    lut: CrystalLUT,
    mixture: Mixture,
    means: FloatArray,
    peaks: FloatArray,
    matrix: FloatArray,
) -> CrystalQuality:
    n = len(lattice.geometry)
    spot = np.asarray(np.isfinite(means).all(axis=1))
    pixels = np.bincount(lut.ids.ravel() + 1, minlength=n + 1)[1:]
    counts = np.where(pixels > 0, cell_counts(lut.ids, values, n), np.nan)
    live = np.isfinite(counts)
    return CrystalQuality(
        counts=counts,
        relative_counts=counts / counts[live].mean() if live.any() else counts,
        fwhm=np.where(spot[:, None], mixture.fwhm, np.nan),
        misassigned=np.where(spot, misassignment(mixture, lut.ids), np.nan),
        residual=lattice_residual(peaks.reshape(*lattice.geometry.shape, 2)),
        drift=np.hypot(*(means - lattice.positions).T),
        confidence=np.asarray(lattice.confidence, np.float64),
        status=lattice.status,
        misidentified=np.where(spot, 1 - np.diagonal(matrix), np.nan),
    )


def summarise(
    crystals: CrystalQuality, rows: PairQuality, cols: PairQuality, pitch: FloatArray
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the figures of the block, and in words where the worst of some of them are.

    Names without an axis are over both. ``doubtful`` is a share of crystals; ``non_uniformity`` the mean of
    ``|counts - mean| / mean``; ``misassigned`` and ``misidentified`` the means over crystals weighted by
    their counts; ``scattered`` the share of the events off their spot's core; ``cv`` the coefficient of
    variation of the counts, SD over mean; ``residual`` and ``drift`` the largest in local pitches,
    ``drift_px`` the largest in pixels.
    """
    both = {
        name: np.concatenate([getattr(rows, name), getattr(cols, name)])
        for name in ("k", "pvr_line", "pvr_border")
    }
    relative, drift = crystals.relative_counts, crystals.drift / pitch
    doubtful = np.isin(crystals.status, (PeakStatus.SUSPECT, PeakStatus.MISSING))
    weight = np.where(np.isfinite(crystals.misassigned) & np.isfinite(crystals.counts), crystals.counts, 0.0)
    lost = np.nan_to_num(crystals.misassigned) * weight
    wrong = np.nan_to_num(crystals.misidentified) * weight
    figures = {
        "crystals": float(len(relative)),
        "missing": float((crystals.status == PeakStatus.MISSING).sum()),
        "doubtful": float(doubtful.mean()),
        "confidence": _statistic(np.mean, crystals.confidence),
        "counts": _statistic(np.mean, crystals.counts),
        "counts_min": _statistic(np.min, crystals.counts),
        "counts_median": _statistic(np.median, crystals.counts),
        "counts_max": _statistic(np.max, crystals.counts),
        "dim": _statistic(np.min, relative),
        "non_uniformity": _statistic(np.mean, np.abs(relative - 1)),
        "cv": _statistic(np.std, relative),
        "fwhm_0": _statistic(np.median, crystals.fwhm[:, 0]),
        "fwhm_1": _statistic(np.median, crystals.fwhm[:, 1]),
        "k": _statistic(np.median, both["k"]),
        "k_mean": _statistic(np.mean, both["k"]),
        "k_rows": _statistic(np.median, rows.k),
        "k_rows_mean": _statistic(np.mean, rows.k),
        "k_rows_sd": _statistic(np.std, rows.k),
        "k_cols": _statistic(np.median, cols.k),
        "k_cols_mean": _statistic(np.mean, cols.k),
        "k_cols_sd": _statistic(np.std, cols.k),
        "worst_k": _statistic(np.min, both["k"]),
        "pvr": _statistic(np.median, both["pvr_line"]),
        "pvr_mean": _statistic(np.mean, both["pvr_line"][np.isfinite(both["pvr_line"])]),
        "pvr_below_1.1": float((both["pvr_line"] < 1.1).sum()),
        "pvr_border": _statistic(np.median, both["pvr_border"]),
        "misassigned": float(lost.sum() / weight.sum()) if weight.sum() > 0 else np.nan,
        "misidentified": float(wrong.sum() / weight.sum()) if weight.sum() > 0 else np.nan,
        "misassigned_worst": _statistic(np.max, crystals.misassigned),
        "residual": _statistic(np.max, crystals.residual),
        "drift": _statistic(np.max, drift),
        "drift_px": _statistic(np.max, crystals.drift),
    }
    places = {
        "doubtful": _crystal_list(np.flatnonzero(doubtful)),
        "dim": _worst_crystal(-relative),
        "residual": _worst_crystal(crystals.residual),
        "drift": _worst_crystal(drift),
        "worst_k": _worst_pair(rows, cols),
    }
    return figures, places


def _statistic(function: Callable[[FloatArray], Any], values: FloatArray) -> float:
    """Return a statistic over the values that are known, NaN without any."""
    known = values[~np.isnan(values)]
    return float(function(known)) if known.size else float("nan")


def _worst_crystal(values: FloatArray) -> str:
    return f"crystal {int(np.nanargmax(values))}" if np.isfinite(values).any() else ""


def _worst_pair(rows: PairQuality, cols: PairQuality) -> str:
    pairs = min((rows, cols), key=lambda p: np.nanmin(p.k) if np.isfinite(p.k).any() else np.inf)
    if not np.isfinite(pairs.k).any():
        return ""
    worst = int(np.nanargmin(pairs.k))
    return f"crystals {pairs.first[worst]} and {pairs.second[worst]}"


def _crystal_list(ids: npt.NDArray[np.intp], most: int = 8) -> str:
    names = ", ".join(str(i) for i in ids[:most])
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    return f"crystal{'s' * (len(ids) > 1)} {names}{more}" if len(ids) else ""


def _plain(column: npt.NDArray[Any]) -> list[Any]:
    if column.dtype.kind != "f":
        return list(column.tolist())
    return [value if np.isfinite(value) else None for value in column.tolist()]
