"""Saving the work in a viewer as one session file, from the menu, the command palette or a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_petlut.errors import ParameterError, PetlutError
from napari_petlut.formats.session import SESSION_SUFFIX, write_session
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.session import can_be_saved, data_of, session_of
from napari_petlut.plugin.work.context import complain, tell

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel


def save_session(viewer: ViewerModel, path: Path, *, overwrite: bool = False) -> str:
    """Write the layers of a viewer as a session, and return what was written, in words.

    Parameters
    ----------
    viewer : ViewerModel
    path : Path
        ``.petlut`` is added if it has another ending.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ParameterError
        If there is no layer that a session can hold.
    FormatError
        If the file cannot be written.
    """
    path = path if path.suffix.lower() == SESSION_SUFFIX else path.with_name(path.name + SESSION_SUFFIX)
    kept = [layer for layer in viewer.layers if can_be_saved(layer)]
    if not kept:
        raise ParameterError("there is nothing to save yet; open a flood map first")
    write_session(path, session_of([data_of(layer) for layer in kept]), overwrite=overwrite)
    left = [layer.name for layer in viewer.layers if layer not in kept]
    without = f", without {', '.join(left)}, which a session cannot hold" if left else ""
    return f"Wrote {path}: session of {len(kept)} layers{without}; drop it on napari to go on."


def save_session_as(viewer: napari.viewer.Viewer) -> None:
    """Ask for a file name and save the session there."""
    from qtpy.QtWidgets import QFileDialog

    # The dialog asks before it returns the name of an existing file, with the ending that it adds.
    dialog = QFileDialog(None, "Save session", str(_proposed_path(viewer)), f"Session (*{SESSION_SUFFIX})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(SESSION_SUFFIX.lstrip("."))
    if not dialog.exec():
        return
    try:
        tell(save_session(viewer, Path(dialog.selectedFiles()[0]), overwrite=True))
    except PetlutError as error:
        complain(error)


def _proposed_path(viewer: ViewerModel) -> Path:
    """Return the name of the block that was read last, in its folder, else in the person's."""
    for layer in reversed(viewer.layers):
        path = ly.info(layer).path if ly.kind_of(layer) else None
        if path:
            return path.with_name(f"{ly.block_of(layer) or path.stem}{SESSION_SUFFIX}")
    return Path.home() / f"block{SESSION_SUFFIX}"
