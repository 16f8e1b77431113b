"""What the command palette offers, and the manifest that offers it."""

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import Peaks
from napari_petlut.plugin import commands
from napari_petlut.plugin.work.running import runner_of
from napari_petlut.plugin.work.workbench import workbench_of

BLOCK = BlockGeometry(4, 5)


@pytest.fixture
def viewer(counts):
    viewer = ViewerModel()
    viewer.add_image(counts, name="b")
    workbench_of(viewer).choose_any().geometry = BLOCK
    return viewer


@pytest.fixture
def told(monkeypatch):
    """The notifications that a person would see."""
    texts = []
    for kind in ("show_info", "show_error"):
        monkeypatch.setattr(f"napari.utils.notifications.{kind}", texts.append)
    return texts


def test_every_command_of_the_manifest_can_be_imported():
    manifest = PluginManifest.from_distribution("napari-petlut")
    manifest.validate_imports()
    widgets = {widget.command for widget in manifest.contributions.widgets}
    ids = {command.id for command in manifest.contributions.commands}
    assert widgets <= ids
    assert len(widgets) == 11


@pytest.mark.usefixtures("qapp")
def test_run_all_tells_how_it_ended(viewer, qtbot, told):
    commands.run_all(viewer)
    runner = runner_of(workbench_of(viewer))
    qtbot.waitUntil(lambda: not runner.busy, timeout=60_000)
    assert told[0].startswith("20 crystals: 20 found.")


def test_edits_and_suspects_by_command(viewer, points):
    block = workbench_of(viewer).choose_any()
    block.set_peaks(Peaks(points, crystal=np.arange(20)))
    block.peaks_layer.remove([7])
    commands.next_suspect(viewer)
    assert block.visited.crystal == 7
    commands.accept_suspect(viewer)
    assert block.count.complete
    commands.undo(viewer)
    commands.undo(viewer)
    assert block.count.complete
    commands.redo(viewer)
    commands.previous_suspect(viewer)
    assert block.count.peaks == 19
    commands.toggle_snap(viewer)
    assert block.snap


def test_without_a_flood_map_the_command_says_what_to_do(told):
    commands.find_lattice(ViewerModel())
    commands.undo(ViewerModel())
    assert [text.split(":")[0] for text in told] == ["Open a flood map first"] * 2
