"""The plots of the panels: Qt may delete one while Matplotlib still draws it."""

import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_petlut.plugin.widgets.quality_spectrum import CrystalSpectrumPlot
from napari_petlut.plugin.widgets.spectrum import SpectrumPlot


@pytest.mark.parametrize("kind", [SpectrumPlot, CrystalSpectrumPlot])
def test_a_deleted_plot_is_not_drawn_on(kind, qapp):
    plot = kind()
    plot.update()
    plot.deleteLater()
    QApplication.sendPostedEvents(plot, QEvent.Type.DeferredDelete.value)
    assert not isalive(plot)
    assert plot.update() is None
