"""What the plots in the panels have in common."""

from __future__ import annotations

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from qtpy.compat import isalive


class PanelPlot(FigureCanvasQTAgg):
    """A see-through Matplotlib plot of fixed height with one pair of axes.

    Parameters
    ----------
    height : int
        In pixels.
    """

    def __init__(self, height: int) -> None:
        figure = Figure(figsize=(3, height / 100), layout="constrained")
        super().__init__(figure)
        self.setFixedHeight(height)
        figure.patch.set_alpha(0)
        self.setStyleSheet("background: transparent")
        self._axes = figure.add_subplot()

    def update(self, *area: object) -> None:
        """Show what was drawn; the panel may have been deleted while Matplotlib drew."""
        if isalive(self):
            super().update(*area)
