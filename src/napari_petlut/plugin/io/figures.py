"""Figures for print: the canvas as it stands, and the plots of the panels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Points

from napari_petlut.errors import FormatError, ParameterError, PetlutError
from napari_petlut.formats._files import atomic_write
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.context import complain, tell

if TYPE_CHECKING:
    import napari
    from matplotlib.figure import Figure

PRINT_DPI = 300
"""Of the notebook's figures, and of what journals ask for."""
PRINT_WIDTH = 17.0
"""Centimetres: two columns of a journal."""
_CM_PER_INCH = 2.54
_PICTURES = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}
_DRAWINGS = {".png": "png", ".pdf": "pdf", ".svg": "svg"}
_IN_CANVAS_PIXELS = ("font_size", "tick_length", "border_width")
"""What overlays measure in pixels of the canvas, besides their size."""


def canvas_picture(viewer: napari.Viewer) -> npt.NDArray[np.uint8]:
    """Return what the canvas shows now, with as many pixels as a printed page needs.

    Rings, words and colour bars keep their share of the picture.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    width = int(viewer.canvas.size[1])
    factor = max(1.0, PRINT_WIDTH / _CM_PER_INCH * PRINT_DPI / width)
    with _enlarged(viewer, factor):
        shot = viewer.screenshot(scale=factor, canvas_only=True, flash=False)
    return np.ascontiguousarray(np.asarray(shot, np.uint8)[..., :3])


@contextmanager
def _enlarged(viewer: napari.Viewer, factor: float) -> Iterator[None]:
    """Draw everything larger for a moment: napari's own enlargement only makes the canvas wider."""
    before: list[tuple[Any, str, Any]] = []

    def enlarge(thing: Any, name: str) -> None:  # noqa: ANN401 - whatever is drawn
        value = getattr(thing, name, None)
        if value is None:
            return
        before.append((thing, name, value))
        many = isinstance(value, tuple | list)
        setattr(thing, name, tuple(factor * v for v in value) if many else factor * value)

    overlays = [*viewer.canvas.overlays.values()]
    for layer in viewer.layers:
        if isinstance(layer, Points):
            enlarge(layer, "canvas_size_limits")
        overlays.append(layer.colorbar if ly.is_flood_candidate(layer) else None)
    for overlay in overlays:
        if overlay is not None and overlay.visible:
            for name in _IN_CANVAS_PIXELS:
                enlarge(overlay, name)
            if isinstance(getattr(overlay, "size", None), tuple):
                enlarge(overlay, "size")
    enlarge(viewer.scene.camera, "zoom")
    try:
        yield
    finally:
        for thing, name, value in reversed(before):
            setattr(thing, name, value)


def save_canvas(viewer: napari.Viewer, path: Path, *, overwrite: bool = False) -> str:
    """Write the canvas as it stands as a PNG or TIFF, and return what was written, in words.

    Raises
    ------
    ParameterError
        If the ending is another.
    FormatError
        If the file cannot be written.
    """
    kind = _PICTURES.get(path.suffix.lower())
    if kind is None:
        raise ParameterError(f"a figure of the canvas is {', '.join(_PICTURES)}, not {path.suffix!r}")
    from PIL import Image

    picture, data = canvas_picture(viewer), BytesIO()
    Image.fromarray(picture).save(data, kind, dpi=(PRINT_DPI, PRINT_DPI))
    atomic_write(path, data.getvalue(), overwrite=overwrite)
    height, width = picture.shape[:2]
    return f"Wrote {path}: {width} x {height} pixels, {PRINT_DPI} dpi."


def save_canvas_as(viewer: napari.viewer.Viewer) -> None:
    """Ask for a file name and save what the canvas shows there."""
    path = ask_for_figure(_proposed(viewer), tuple(_PICTURES))
    if path is None:
        return
    try:
        tell(save_canvas(viewer, path, overwrite=True))
    except PetlutError as error:
        complain(error)


def ask_for_figure(proposed: Path, endings: tuple[str, ...]) -> Path | None:
    """Ask where a figure is to go; the dialog asks before it returns the name of an existing file."""
    from qtpy.QtWidgets import QApplication, QFileDialog

    patterns = " ".join(f"*{ending}" for ending in endings)
    dialog = QFileDialog(QApplication.activeWindow(), "Save figure", str(proposed), f"Figure ({patterns})")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(endings[0].lstrip("."))
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None


def _proposed(viewer: napari.Viewer) -> Path:
    for layer in reversed(viewer.layers):
        if ly.kind_of(layer) is ly.LayerKind.FLOOD and layer.visible:
            path = ly.info(layer).path
            folder = path.parent if path is not None else Path.home()
            return folder / f"{ly.block_of(layer) or layer.name}_canvas.png"
    return Path.home() / "canvas.png"


def save_drawing(figure: Figure, path: Path, *, overwrite: bool = False) -> str:
    """Write a Matplotlib figure as PNG, PDF or SVG at print resolution, and return what was written.

    Raises
    ------
    ParameterError
        If the ending is another.
    FormatError
        If the file cannot be written.
    """
    kind = _DRAWINGS.get(path.suffix.lower())
    if kind is None:
        raise ParameterError(f"a figure of a plot is {', '.join(_DRAWINGS)}, not {path.suffix!r}")
    data = BytesIO()
    try:
        figure.savefig(data, format=kind, dpi=PRINT_DPI, facecolor="white")
    except (OSError, ValueError) as error:
        raise FormatError(path, "a figure", str(error), "choose another ending") from error
    atomic_write(path, data.getvalue(), overwrite=overwrite)
    return f"Wrote {path}."


DRAWING_ENDINGS = tuple(_DRAWINGS)
