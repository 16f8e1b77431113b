"""Segmentation, crystal LUT and energy LUT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import GeometryError, ParameterError
from napari_petlut.geometry import NO_CRYSTAL, BlockGeometry
from napari_petlut.model.arrays import FloatArray, LabelArray


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Which flood-map pixels belong to which crystal.

    Parameters
    ----------
    labels : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel, -1 for "no crystal".
    centres : ndarray of float64, shape (n, 2)
        Centre of each cell's cluster after the method, by crystal id.
    drift : ndarray of float64, shape (n,)
        Distance of each centre from its starting peak in pixels; NaN where the method had no starting peak.
    method : str
        Name of the method.
    inertia : float
        Count-weighted sum of squared distances of pixels from the centre of their cell, in pixels squared.
    iterations : int
        Iterations done; 0 for methods without any.
    seconds : float
        Wall time. Not part of any written result.
    warnings : tuple of str
        What a person should know, for example that centres left their peaks.
    """

    labels: LabelArray
    centres: FloatArray
    drift: FloatArray
    method: str
    inertia: float
    iterations: int
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CrystalLUT:
    """The position lookup table: which crystal each flood-map pixel belongs to.

    Parameters
    ----------
    ids : ndarray of int32, shape (n0, n1)
        Crystal id per pixel, -1 for "no crystal".
    geometry : BlockGeometry

    Raises
    ------
    GeometryError
        If an id does not exist in the geometry.
    """

    ids: LabelArray
    geometry: BlockGeometry

    def __post_init__(self) -> None:
        ids = np.ascontiguousarray(self.ids, dtype=np.int32)
        if ids.ndim != 2 or ids.size == 0:
            raise GeometryError(f"a LUT is a 2-D array, not {ids.shape}")
        if ids.min() < NO_CRYSTAL or ids.max() >= len(self.geometry):
            raise GeometryError(
                f"LUT ids run from {ids.min()} to {ids.max()}; "
                f"a {self.geometry} block has -1 to {len(self.geometry) - 1}"
            )
        if self.geometry.places is not None and (self.geometry.numbers[ids[ids >= 0]] < 0).any():
            raise GeometryError(f"a LUT of {self.geometry} names places that hold no crystal")
        object.__setattr__(self, "ids", ids)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along axis 0 and axis 1."""
        return int(self.ids.shape[0]), int(self.ids.shape[1])

    def without(self, crystals: npt.ArrayLike) -> Self:
        """Return a copy in which the cells of `crystals` belong to nobody."""
        return replace(self, ids=np.where(np.isin(self.ids, np.asarray(crystals)), NO_CRYSTAL, self.ids))

    def layer(self, number: int) -> CrystalLUT:
        """Return the LUT of one layer of the array: a rectangle of its rows and columns, other pixels free.

        Parameters
        ----------
        number : int
            From 0.

        Raises
        ------
        GeometryError
            If the array has no such layer, or the layer a single crystal.
        """
        own = self.geometry.layers == number
        if number < 0 or not own.any():
            last = int(self.geometry.layers.max())
            raise GeometryError(f"the array {self.geometry} has layers 0 to {last}, none {number}")
        row, col = self.geometry.layer_rows_cols
        rows, cols = int(row[own].max()) + 1, int(col[own].max()) + 1
        ids = np.append(np.where(own, row * cols + col, NO_CRYSTAL), NO_CRYSTAL)[self.ids]
        return CrystalLUT(ids, BlockGeometry(rows, cols))

    def resampled(self, shape: tuple[int, int]) -> Self:
        """Return the same cells on another number of pixels: each new pixel takes the id at its centre.

        Parameters
        ----------
        shape : tuple of int
            Pixels along axis 0 and axis 1, at least 1 each.

        Raises
        ------
        ParameterError
            If a number is below 1.
        """
        if min(shape) < 1:
            raise ParameterError(f"a LUT has at least 1 x 1 pixels, not {shape[0]} x {shape[1]}")
        rows, cols = (
            ((2 * np.arange(n) + 1) * old) // (2 * n) for n, old in zip(shape, self.shape, strict=True)
        )
        return replace(self, ids=self.ids[np.ix_(rows, cols)])

    def to_labels(self) -> LabelArray:
        """Return napari label values: id + 1, 0 for "no crystal"."""
        return (self.ids + 1).astype(np.int32)

    @classmethod
    def from_labels(cls, labels: npt.ArrayLike, geometry: BlockGeometry) -> Self:
        """Return the LUT of napari label values, the inverse of `to_labels`.

        Parameters
        ----------
        labels : array_like of int, shape (n0, n1)
            Crystal id + 1, and 0 for "no crystal".
        geometry : BlockGeometry
        """
        return cls(np.asarray(labels).astype(np.int32) - 1, geometry)


PHOTOPEAK_KEV = 511.0
"""Energy of an annihilation photon in keV."""


@dataclass(frozen=True, eq=False)
class EnergyLUT:
    """The energy lookup table: where each crystal's photopeak lies.

    Parameters
    ----------
    photopeaks : ndarray of float64, shape (rows * cols,)
        Photopeak position by crystal id, in ADC channels; NaN where it is not known.
    geometry : BlockGeometry

    Raises
    ------
    GeometryError
        If there is not one entry for each crystal.
    ParameterError
        If a photopeak is not positive.
    """

    photopeaks: FloatArray
    geometry: BlockGeometry

    def __post_init__(self) -> None:
        photopeaks = np.ascontiguousarray(self.photopeaks, dtype=np.float64)
        if photopeaks.shape != (len(self.geometry),):
            raise GeometryError(
                f"an energy LUT of {self.geometry} needs {len(self.geometry)} entries, not {photopeaks.shape}"
            )
        if not (np.isnan(photopeaks) | ((photopeaks > 0) & np.isfinite(photopeaks))).all():
            raise ParameterError("photopeaks are positive channels, or NaN where they are not known")
        object.__setattr__(self, "photopeaks", photopeaks)

    @property
    def gains(self) -> FloatArray:
        """Gain in keV per channel to 511 keV, shape (rows * cols,); NaN where it is not known."""
        with np.errstate(over="ignore"):
            return PHOTOPEAK_KEV / self.photopeaks
