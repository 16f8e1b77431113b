"""What the manifest adds to napari's menus works when the menus are opened."""

import pytest
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest

MANIFEST = PluginManifest.from_distribution("napari-petlut")


def test_the_command_palette_offers_nothing_that_needs_a_file():
    parts = MANIFEST.contributions
    need_a_file = {part.command for part in [*parts.readers, *parts.writers]}
    assert len(need_a_file) == 9
    for command in parts.commands:
        assert (command.enablement == "False") is (command.id in need_a_file)


def texts(menu):
    """Open a menu and all below it, and return what they offer."""
    menu.aboutToShow.emit()
    found = []
    for action in menu.actions():
        found.append(action.text())
        if action.menu() is not None:
            found += texts(action.menu())
    return found


@pytest.mark.gl
@pytest.mark.parametrize("with_layers", [False, True])
def test_every_menu_opens_and_offers_what_the_manifest_says(make_napari_viewer, with_layers):
    viewer = make_napari_viewer()
    if with_layers:
        viewer.open_sample("napari-petlut", "small")
    notification_manager.records.clear()
    window = viewer.window
    files, plugins, layers = map(texts, (window.file_menu, window.plugins_menu, window.layers_menu))
    assert not [record.message for record in notification_manager.records]
    assert "Typical 16 x 16 block" in files
    assert "Save the work on all blocks as a session (PET crystal LUT)" in files
    assert "Crystal LUT (PET crystal LUT)" in plugins
    assert "Run all steps from flood map to cells (PET crystal LUT)" in layers
