"""Seeded chaos: a monkey at all panels, two maps and napari's own layer list, in a real window.

``PETLUT_MONKEY=100`` makes it a short run, ``PETLUT_MONKEY=2000`` a long one, ``PETLUT_MONKEY_SEED`` another.
"""

import os
import random

import pytest
from napari.layers import Image, Labels, Points
from napari.layers._layer_actions import _convert, _duplicate_layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloodMap
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.widgets import ComparePanel, QualityPanel, WorkflowPanel
from napari_petlut.plugin.work.counting import OVERLAY_KEY
from napari_petlut.plugin.work.workbench import workbench_of

from .conftest import flood_of, grid_points
from .test_editing import drag

pytestmark = [
    pytest.mark.gl,
    pytest.mark.trashing,
    # Not in the gate yet: now and then the monkey still finds an EmitLoopError of a combo box.
    pytest.mark.skipif("PETLUT_MONKEY" not in os.environ, reason="PETLUT_MONKEY says how many actions"),
]

ACTIONS = int(os.environ.get("PETLUT_MONKEY", "100"))
SEED = int(os.environ.get("PETLUT_MONKEY_SEED", "21"))
SIZES = [(4, 5), (3, 4), (4, 4)]
MOST_LAYERS = 14
LEFT_ALONE = ("Export", "Report", "Energy LUT")
"""Buttons that write files."""
KEYS = [Qt.Key.Key_N, Qt.Key.Key_K, Qt.Key.Key_R, Qt.Key.Key_C, Qt.Key.Key_G, Qt.Key.Key_PageDown]
KEYS += [Qt.Key.Key_PageUp, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_4, Qt.Key.Key_Delete, Qt.Key.Key_V]


OFTEN = {"do_press_a_button": 5, "do_run_all": 3, "do_edit_a_peak": 4, "do_press_a_key": 4}


class Monkey:
    """Does one thing after the other, and looks each time whether the window tells the truth."""

    def __init__(self, viewer, qtbot, seed):
        self.viewer, self.qtbot, self.rng = viewer, qtbot, random.Random(seed)
        self.bench = workbench_of(viewer)
        self.panels = [WorkflowPanel(viewer), QualityPanel(viewer), ComparePanel(viewer)]
        for panel in self.panels:
            viewer.window.add_dock_widget(panel)
        self.runner = self.panels[0].runner
        actions = [name for name in dir(self) if name.startswith("do_")]
        self.actions = [getattr(self, name) for name in actions for _ in range(OFTEN.get(name, 1))]

    def act(self):
        action = self.rng.choice(self.actions)
        action()
        QApplication.processEvents()
        return action.__name__

    def layer(self, kind=object):
        found = [layer for layer in self.viewer.layers if isinstance(layer, kind)]
        return self.rng.choice(found) if found else None

    # -- what it does

    def do_open_a_map(self):
        if len(self.viewer.layers) >= MOST_LAYERS:
            return
        rows, cols = self.rng.choice(SIZES)
        flood = FloodMap(flood_of(grid_points(rows, cols)))
        geometry = BlockGeometry(rows, cols)
        self.viewer.add_layer(ly.flood_layer(flood, name=self.rng.choice("ab"), geometry=geometry))

    def do_run_all(self):
        self.panels[0].start_all.native.click()

    def do_wait(self):
        self.qtbot.wait(self.rng.choice([1, 30, 200]))

    def do_wait_for_the_end(self):
        self.qtbot.waitUntil(lambda: not self.runner.busy, timeout=60_000)

    def do_rename(self):
        layer, other = self.layer(), self.layer()
        if layer is not None:
            layer.name = other.name

    def do_delete(self):
        layer = self.layer()
        if layer is not None and self.rng.random() < 0.6:
            self.viewer.layers.remove(layer)

    def do_select(self):
        layer = self.layer()
        if layer is not None:
            self.viewer.layers.selection.active = layer

    def do_hide_or_show(self):
        layer = self.layer()
        if layer is not None:
            layer.visible = not layer.visible

    def do_reorder(self):
        if len(self.viewer.layers) > 1:
            places = range(len(self.viewer.layers))
            self.viewer.layers.move(self.rng.choice(places), self.rng.choice(places))

    def do_duplicate(self):
        layer = self.layer()
        if layer is not None and len(self.viewer.layers) < MOST_LAYERS:
            self.viewer.layers.selection = {layer}
            _duplicate_layer(self.viewer.layers)

    def do_convert(self):
        layer = self.layer((Image, Labels))
        if layer is None or len(self.viewer.layers) >= MOST_LAYERS:
            return
        layer.projection_mode = "none"  # napari warns that labels have no other
        self.viewer.layers.selection = {layer}
        _convert(self.viewer.layers, "image" if isinstance(layer, Labels) else "labels")

    def do_edit_a_peak(self):
        layer = self.layer(Points)
        if layer is None or layer.ndim != 2:
            return
        if len(layer.data) == 0 or self.rng.random() < 0.2:
            layer.add([self.rng.uniform(0, 60), self.rng.uniform(0, 60)])
        elif self.rng.random() < 0.3:
            layer.remove([self.rng.randrange(len(layer.data))])
        else:
            layer.selected_data = {self.rng.randrange(len(layer.data))}
            drag(layer, sorted(layer.selected_data), (self.rng.uniform(-4, 4), 2.0))

    def do_paint(self):
        layer = self.layer(Labels)
        if layer is not None:
            layer.paint((self.rng.randrange(60), self.rng.randrange(60)), self.rng.randrange(12))

    def do_undo_or_redo(self):
        block = self.bench.current
        if block is not None:
            self.rng.choice([block.undo, block.redo])()

    def do_press_a_key(self):
        self.qtbot.keyClick(self.viewer.window._qt_viewer.canvas.native, self.rng.choice(KEYS))

    def do_press_a_button(self):
        found = [
            button
            for panel in self.panels
            for button in panel.findChildren(QAbstractButton)
            if button.isEnabled() and button.text() not in LEFT_ALONE
        ]
        if found:
            self.rng.choice(found).click()

    def do_choose_in_a_box(self):
        boxes = [box for panel in self.panels for box in panel.findChildren(QComboBox) if box.isEnabled()]
        box = self.rng.choice(boxes)
        if box.count():
            box.setCurrentIndex(self.rng.randrange(box.count()))

    def do_close_and_open_a_panel(self):
        index = self.rng.randrange(1, len(self.panels))
        kind = type(self.panels[index])
        self.viewer.window.remove_dock_widget(self.panels[index])
        self.panels[index] = kind(self.viewer)
        self.viewer.window.add_dock_widget(self.panels[index])

    def do_show_a_grid(self):
        self.viewer.canvas.grid.enabled = not self.viewer.canvas.grid.enabled

    # -- what must be true

    def look(self):
        current, panel = self.bench.current, self.panels[0]
        layers = list(self.viewer.layers)
        assert current is None or current.flood_layer in layers
        assert panel.flood.value is (current.flood_layer if current else None)
        overlay = self.viewer.canvas.overlays.get(OVERLAY_KEY)
        if current is None or current.peaks_layer is None:
            assert overlay is None
        else:
            assert current.peaks_layer in layers
            assert overlay.text.startswith(current.count.sentence)
        names = [block.name for block in self.bench.blocks]
        assert len(names) == len(set(names))
        known = [layer.metadata.get(ly.INFO_KEY) for layer in layers]
        known = [id(one) for one in known if one is not None]
        assert len(known) == len(set(known))
        if not self.runner.busy:
            assert panel.progress.isHidden()
            assert panel.cancel.isHidden()
            text = current.message[0] if current else self.bench.advice
            assert panel.message.text() == text


def test_the_window_tells_the_truth_whatever_a_monkey_does(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_petlut.plugin.work.context.is_interactive", lambda: False)
    monkeypatch.setattr("magicgui.widgets.FileEdit._on_choose_clicked", lambda self: None)  # a dialog
    viewer = make_napari_viewer(show=True)
    monkey = Monkey(viewer, qtbot, SEED)
    monkey.do_open_a_map()
    done = []
    for _ in range(ACTIONS):
        done.append(monkey.act())
        try:
            monkey.look()
        except AssertionError as error:
            raise AssertionError(f"after {', '.join(done[-12:])}") from error
    monkey.do_wait_for_the_end()
    QApplication.processEvents()
    monkey.look()
