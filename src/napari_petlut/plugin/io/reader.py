"""napari's readers: one for each file ending; what is inside decides what is opened.

A reader never refuses a file of its ending, because napari would not say why. In a script a bad file raises
one `FormatError`; in front of a person it becomes one notification, and the other files that were dropped
with it still open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from napari_petlut.errors import PetlutError
from napari_petlut.plugin.work.context import complain, current_viewer, is_interactive, tell

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_petlut.formats.identification import IdentifiedFile

Paths = str | Sequence[str]
Read = Callable[[Paths], list[Any]]

NOTHING: list[Any] = [(None,)]
"""What a reader returns to say that there is deliberately no layer."""

_AGAIN_SECONDS = 2.0
_last_read: dict[str, float] = {}


def get_dat_reader(path: Paths) -> Read:
    """Return the reader of ``.dat`` and of other programs' files: raw events, maps, or LUTs."""
    return read


def get_lut_reader(path: Paths) -> Read:
    """Return the reader of ``.lut``, ``.clu`` and ``.crm``."""
    return read


def get_peaks_reader(path: Paths) -> Read:
    """Return the reader of peak tables, ``*peaks.csv``."""
    return read


def get_record_reader(path: Paths) -> Read:
    """Return the reader of records, ``*_record.json``: opens the block that was calibrated."""
    return read


def get_session_reader(path: Paths) -> Read:
    """Return the reader of sessions, ``.petlut``."""
    return read


def read(path: Paths) -> list[Any]:
    """Return the layers of one or several files.

    Parameters
    ----------
    path : str or sequence of str

    Returns
    -------
    list of Layer
        Or `NOTHING`, if a file is counted in the background or was refused with a notification.

    Raises
    ------
    PetlutError
        In a script, if a file cannot be used.
    """
    paths = [Path(name) for name in ([path] if isinstance(path, str) else path)]
    return [layer for name in paths for layer in _read_one(name)] or NOTHING


def _read_one(path: Path) -> list[Layer]:
    from napari_petlut.plugin.io.by_name import go_by_names
    from napari_petlut.plugin.io.opening import open_file

    viewer = current_viewer()
    if viewer is None or not is_interactive():
        return open_file(path, viewer)
    go_by_names(viewer)
    if _was_just_read(path):
        return []
    try:
        layers = open_file(path, viewer, open_events=_open_events, just_read=_was_just_read)
    except PetlutError as error:
        complain(error)
        return []
    for layer in layers:
        _welcome(path, layer)
    return layers


def _open_events(file: IdentifiedFile) -> list[Layer]:
    """Count a small file at once, and a large one in the background."""
    from napari_petlut.formats.event_files import count_events
    from napari_petlut.plugin.io.counting_events import AT_ONCE_EVENTS, open_in_background
    from napari_petlut.plugin.io.opening import open_events_now

    viewer, layout = current_viewer(), file.found.layout
    # Hits that are still to be joined have some ten bytes each.
    if viewer is None or (count_events(file, layout) or file.size // 10) <= AT_ONCE_EVENTS:
        return open_events_now(file)
    open_in_background(file.path, layout, viewer)
    return []


def _was_just_read(path: Path) -> bool:
    """Return whether this file was read a moment ago.

    napari opens a set of dropped files one by one; when it comes to one that two plugins can read, it asks
    which to use and then begins again with the first file.
    """
    now, key = monotonic(), str(path.resolve())
    again = now - _last_read.get(key, -_AGAIN_SECONDS) < _AGAIN_SECONDS
    _last_read[key] = now
    return again


def _welcome(path: Path, layer: Layer) -> None:
    """Say what a file turned out to be, and see that a map does not hide what is drawn on it."""
    from napari.layers import Image

    from napari_petlut.plugin import layers as ly

    known = ly.info(layer)
    if known.encoding is not None:
        block = ly.geometry_of(layer)
        tell("; ".join(filter(None, [f"{path.name}: {block} LUT, {known.encoding.name}", known.note])))
    elif known.events is not None:
        from napari_petlut.plugin.io.counting_events import description

        tell(description(path, ly.flood_from_layer(layer), known.note))
    if isinstance(layer, Image):
        _LOWERING.add(_Lowering(layer))


class _Lowering:
    """Moves a map under the drawings of its block as soon as napari has added it to the viewer."""

    def __init__(self, layer: Layer) -> None:
        viewer = current_viewer()
        assert viewer is not None
        self._layer, self._layers = layer, viewer.layers
        # Last, because the list of layers on the screen has to know the new one before it can be moved.
        self._layers.events.inserted.connect(self._on_inserted, position="last")

    def _on_inserted(self, event: Any) -> None:  # noqa: ANN401 - napari's events are not typed
        from napari_petlut.plugin import layers as ly

        viewer = current_viewer()
        if event.value is self._layer:
            self._layers.events.inserted.disconnect(self._on_inserted)
            _LOWERING.discard(self)
            if viewer is not None and viewer.layers is self._layers:
                target = ly.lowest_drawing(viewer, ly.block_of(self._layer))
                if target < event.index:
                    self._layers.move(event.index, target)


_LOWERING: set[_Lowering] = set()
"""Keeps them alive: napari's events hold their listeners weakly."""
