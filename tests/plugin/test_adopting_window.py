"""Files that napari reads by itself, and files dropped on a panel, in the real window."""

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.workbench import workbench_of
from napari_petlut.simulation import BlockSimulation, simulate_block

pytestmark = pytest.mark.gl


def drop(widget, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    where, button = QPoint(5, 5).toPointF(), Qt.MouseButton.LeftButton
    event = QDropEvent(where, Qt.DropAction.CopyAction, data, button, Qt.KeyboardModifier.NoModifier)
    widget.dropEvent(event)


def test_whole_numbers_stacks_and_tables_become_flood_maps(make_napari_viewer, tmp_path, qtbot):
    viewer = make_napari_viewer()
    _, panel = viewer.window.add_plugin_dock_widget("napari-petlut", "Crystal LUT")
    block = simulate_block(BlockSimulation(rows=4, cols=5, counts_per_crystal=20_000, seed=1))
    counts = block.flood.counts.reshape(128, 4, 128, 4).sum(axis=(1, 3)).astype(np.uint32)
    np.save(tmp_path / "whole.npy", counts)
    np.save(tmp_path / "stack.npy", np.stack([counts, counts[::-1], 2 * counts]).astype(float))
    np.savetxt(tmp_path / "text.csv", counts, fmt="%d", delimiter=";")
    np.save(tmp_path / "lut.npy", (np.arange(128)[:, None] // 32 * 5 + np.arange(128) // 26).astype(np.int32))

    (labels,) = viewer.open(tmp_path / "whole.npy", plugin="napari")
    qtbot.waitUntil(lambda: labels not in viewer.layers)
    assert workbench_of(viewer).current.name == "whole"
    np.testing.assert_array_equal(workbench_of(viewer).current.flood.counts, counts)

    (lut,) = viewer.open(tmp_path / "lut.npy", plugin="napari")
    (stack,) = viewer.open(tmp_path / "stack.npy", plugin="napari")
    qtbot.wait(50)
    assert lut in viewer.layers and not panel.split.native.isHidden()
    panel.split.changed.emit(True)
    assert stack not in viewer.layers and panel.split.native.isHidden()
    blocks = {block.name for block in workbench_of(viewer).blocks}
    floods = [layer for layer in viewer.layers if ly.kind_of(layer) is ly.LayerKind.FLOOD]
    assert [layer.name for layer in floods] == ["whole", "stack 0", "stack 1", "stack 2"]
    assert workbench_of(viewer).current.name == "stack 0" and "stack 0" in blocks

    drop(panel, tmp_path / "text.csv")
    assert workbench_of(viewer).current.name == "text"
    np.testing.assert_array_equal(workbench_of(viewer).current.flood.counts, counts)
