"""What a segmentation can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from napari_petlut.analysis.segmentation.kmeans import KMeansParameters
from napari_petlut.analysis.segmentation.mixture import MixtureParameters
from napari_petlut.analysis.segmentation.watershed import WatershedParameters
from napari_petlut.errors import ParameterError

Method = Literal["mixture", "nearest", "watershed", "kmeans"]


@dataclass(frozen=True)
class SegmentationParameters:
    """How flood-map pixels are given to crystals.

    Parameters
    ----------
    method : {"mixture", "nearest", "watershed", "kmeans"}
        "mixture" gives each pixel to the crystal most likely to have caused its events, and puts most events
        right on simulated blocks. "nearest" gives it to the nearest peak. "watershed" follows the valleys of
        the map. "kmeans" is the notebook's clustering.
    max_distance : float, optional
        Pixels farther than this from every centre, in pixels, belong to no crystal. No bound by default.
    drift_limit : float
        A centre that moved from its peak by more than this share of the typical pitch is reported. The
        default is 10 px of the 28 px of a 16 x 16 block on 512 pixels.
    mixture : MixtureParameters
        Options of the method "mixture".
    watershed : WatershedParameters
        Options of the method "watershed".
    kmeans : KMeansParameters
        Options of the method "kmeans".

    Raises
    ------
    ParameterError
        If the method is unknown or a value out of range.
    """

    method: Method = "mixture"
    max_distance: float | None = None
    drift_limit: float = 10 / 28
    mixture: MixtureParameters = field(default_factory=MixtureParameters)
    watershed: WatershedParameters = field(default_factory=WatershedParameters)
    kmeans: KMeansParameters = field(default_factory=KMeansParameters)

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            known = ", ".join(get_args(Method))
            raise ParameterError(f"segmentation method {self.method!r} is unknown; use one of {known}")
        if self.max_distance is not None and not 0 < self.max_distance < np.inf:
            raise ParameterError(f"max_distance must be a positive number of pixels, not {self.max_distance}")
        if not 0 < self.drift_limit < np.inf:
            raise ParameterError(f"drift_limit must be a positive share of the pitch, not {self.drift_limit}")
