"""A file's name says who reads and writes it: peak tables are read without a question, ``x.lut`` is a LUT.

napari asks which plugin reads an ending that two of them know, and its dialog for saving goes by the filter
that is chosen there, whatever name is typed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer, Points

from napari_petlut.errors import FormatError
from napari_petlut.formats.session import SESSION_SUFFIX
from napari_petlut.plugin.io.session import can_be_saved, data_of
from napari_petlut.plugin.io.writer import (
    LUT_ENDINGS,
    write_lut_layer,
    write_peaks_layer,
    write_session_layers,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import LayerList

PEAK_TABLES = "*_peaks.csv"
"""As an export names them; of other tables napari goes on asking."""
_PEAKS_ENDING = PEAK_TABLES.lstrip("*")
_OURSELVES = "napari-petlut"
_Save = Callable[..., list[str]]


def go_by_names(viewer: Viewer) -> None:
    """Let names decide, in a window: of the peak tables that are opened in it, and of what is saved."""
    read_own_tables()
    layers = getattr(viewer, "__wrapped__", viewer).layers  # napari gives widgets a proxy
    if not isinstance(layers.save, partial):
        layers.save = partial(_save_by_name, weakref.ref(layers), weakref.WeakMethod(layers.save))


def read_own_tables() -> None:
    """Tell napari that we read the peak tables of an export, unless the person has said who does."""
    from napari.settings import get_settings

    plugins = get_settings().plugins
    if PEAK_TABLES not in plugins.extension2reader:
        # Settings that cannot be written are no reason not to read a file.
        with suppress(OSError):
            plugins.extension2reader = {**plugins.extension2reader, PEAK_TABLES: _OURSELVES}


def _save_by_name(
    reference: weakref.ref[LayerList],
    save: weakref.WeakMethod[_Save],
    path: str,
    *,
    selected: bool = False,
    plugin: str | None = None,
    _writer: Any = None,  # noqa: ANN401 - npe2's
) -> list[str]:
    """Save layers as napari does, but those that a name of ours is for with our own writer.

    Parameters
    ----------
    reference, save : weak references
        To the list of layers, and to its own method.
    path, selected, plugin, _writer
        As for napari's ``LayerList.save``; only its dialog gives a writer.
    """
    layers, usual = reference(), save()
    if layers is None or usual is None:
        return []
    if plugin is None and _writer is not None:
        chosen = [layer for layer in layers if layer in layers.selection] if selected else list(layers)
        written = write_by_name(path, chosen)
        if written is not None:
            return written
    return usual(path, selected=selected, plugin=plugin, _writer=_writer)


def write_by_name(path: str, layers: Sequence[Layer]) -> list[str] | None:
    """Write what a name of ours is for, and return the written files; None if the name is none of ours.

    Parameters
    ----------
    path : str
        ``.lut``, ``.clu`` and ``.crm`` are LUTs, ``_peaks.csv`` is a peak table, ``.petlut`` a session.
    layers : sequence of Layer
        What is to be saved.

    Raises
    ------
    FormatError
        If there is not one layer for the file.
    """
    ending = Path(path).suffix.lower()
    if ending == SESSION_SUFFIX:
        return write_session_layers(path, [data_of(layer) for layer in layers if can_be_saved(layer)])
    if ending in LUT_ENDINGS:
        return write_lut_layer(path, *_only(path, layers, Labels, "Labels"))
    if path.endswith(_PEAKS_ENDING):
        return write_peaks_layer(path, *_only(path, layers, Points, "Points"))
    return None


def _only(path: str, layers: Sequence[Layer], kind: type[Layer], words: str) -> tuple[Any, dict[str, Any]]:
    fitting = [layer for layer in layers if isinstance(layer, kind)]
    if len(fitting) != 1:
        raise FormatError(
            path,
            f"one {words} layer",
            f"{len(fitting)} among the layers to be saved",
            "select the one to be saved and use Save Selected Layers",
        )
    data, meta, _ = fitting[0].as_layer_data_tuple()
    return data, meta
