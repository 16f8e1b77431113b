"""Segmentation: which flood-map pixels belong to which crystal."""

from napari_petlut.analysis.segmentation.borders import cell_borders
from napari_petlut.analysis.segmentation.nearest import nearest_peak_cells

__all__ = ["cell_borders", "nearest_peak_cells"]
