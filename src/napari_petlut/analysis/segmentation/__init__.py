"""Segmentation: which flood-map pixels belong to which crystal."""

from napari_petlut.analysis.segmentation.borders import cell_borders
from napari_petlut.analysis.segmentation.dispatch import segment
from napari_petlut.analysis.segmentation.kmeans import (
    KMeansModel,
    KMeansParameters,
    fit_kmeans,
    uniform_grid,
    weighted_map,
)
from napari_petlut.analysis.segmentation.mixture import Mixture, MixtureParameters
from napari_petlut.analysis.segmentation.mixture_fitting import fit_mixture
from napari_petlut.analysis.segmentation.nearest import nearest_peak_cells, update_nearest_cells
from napari_petlut.analysis.segmentation.parameters import Method, SegmentationParameters
from napari_petlut.analysis.segmentation.watershed import WatershedParameters, watershed_cells

__all__ = [
    "KMeansModel",
    "KMeansParameters",
    "Method",
    "Mixture",
    "MixtureParameters",
    "SegmentationParameters",
    "WatershedParameters",
    "cell_borders",
    "fit_kmeans",
    "fit_mixture",
    "nearest_peak_cells",
    "segment",
    "uniform_grid",
    "update_nearest_cells",
    "watershed_cells",
    "weighted_map",
]
