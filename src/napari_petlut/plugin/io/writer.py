"""napari's writers: File > Save of LUTs, peaks, flood maps and whole sessions.

napari's dialog asks before it hands over the name of an existing file, and says so by calling from its event
loop; a script has not been asked, so there an existing file is refused. What the dialog has not seen - an
ending that is added here, a record beside the LUT - is asked about here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_petlut.errors import FormatError, ParameterError, PetlutError
from napari_petlut.formats.lut import LUT_PRESETS, LUTEncoding, write_lut
from napari_petlut.formats.maps import write_map
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.formats.record import HandWork, Record, RecordKind, read_record, write_record
from napari_petlut.formats.session import SESSION_SUFFIX, write_session
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloodMap, LabelArray
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.io.opening import geometry_in_viewer
from napari_petlut.plugin.io.session import LayerData, session_of
from napari_petlut.plugin.work.context import (
    current_viewer,
    is_interactive,
    may_overwrite,
    may_resample,
    tell,
)

Meta = Mapping[str, Any]

LUT_ENDINGS = {".lut": "packed", ".clu": "ucd-clu", ".crm": "cti-crm"}
"""Layout of a LUT file by its ending."""


def write_lut_layer(path: str, data: Any, meta: Meta) -> list[str]:  # noqa: ANN401 - whatever a layer holds
    """Write a Labels layer as a LUT file, as it is painted, and a small record beside it.

    The layout is that of the file the layer was read from, else the one of the ending: packed for ``.lut``.

    Returns
    -------
    list of str
        Paths of the written files.

    Raises
    ------
    FormatError
        If the layer is no LUT of a known block, or the file cannot be written.
    """
    target = _with_ending(path, LUT_ENDINGS)
    encoding = _encoding_for(target, meta)
    with _explaining(target):
        labels = np.asarray(data)
        lut = ly.lut_from_labels(labels, meta, _geometry(meta))
    size = encoding.other_size(lut.shape)
    if size is not None and may_resample(encoding.name, lut.shape, size):
        lut = lut.resampled(size)

    def write(overwrite: bool) -> str:
        write_lut(target, lut, encoding, overwrite=overwrite)
        crystals = np.unique(lut.ids[lut.ids >= 0]).size
        painted = int((labels != _computed(meta, labels)).sum())
        record = _write_lut_record(target, encoding, lut.geometry, painted)
        if record is not None:
            written.append(str(record))
        by_hand = f", {painted} pixels as painted by hand" if painted else ""
        beside = f"; record in {record.name}" if record else ""
        return f"LUT of {crystals} of {len(lut.geometry)} crystals, layout '{encoding.name}'{by_hand}{beside}"

    written = [str(target)]
    _save(path, target, write)
    return written


def write_peaks_layer(path: str, data: Any, meta: Meta) -> list[str]:  # noqa: ANN401 - whatever a layer holds
    """Write a Points layer as a peak table.

    Returns
    -------
    list of str
        Paths of the written files.

    Raises
    ------
    FormatError
        If the points are no peaks, or the file cannot be written.
    """
    target = _with_ending(path, (".csv",))
    with _explaining(target):
        points = np.asarray(data, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ParameterError(f"peaks are points in 2 dimensions, not of shape {points.shape}")
        peaks = ly.peaks_from_points(points, meta.get("features", {}))

    def write(overwrite: bool) -> str:
        with _explaining(target):
            write_peaks(target, peaks, _geometry(meta), overwrite=overwrite)
        return f"{len(peaks)} peaks, {int((peaks.crystal >= 0).sum())} of them numbered"

    return _save(path, target, write)


def write_map_layer(path: str, data: Any, meta: Meta) -> list[str]:  # noqa: ANN401 - whatever a layer holds
    """Write an Image layer of 512 x 512 whole counts as a map file, with its spectrum if it has one.

    Returns
    -------
    list of str
        Paths of the written files.

    Raises
    ------
    FormatError
        If the image is no such map, or the file cannot be written.
    """
    target = _with_ending(path, (".dat",))
    known = ly.info(meta)
    with _explaining(target):
        flood = FloodMap(np.asarray(data), known.spectrum, known.window)

    def write(overwrite: bool) -> str:
        write_map(target, flood, overwrite=overwrite)
        spectrum = "with" if flood.spectrum is not None else "without"
        return f"flood map of {flood.total:,.0f} events, {spectrum} energy spectrum"

    return _save(path, target, write)


def write_session_layers(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write layers as a session, to be opened again as they are.

    Returns
    -------
    list of str
        Paths of the written files.

    Raises
    ------
    FormatError
        If a layer cannot be kept, or the file cannot be written.
    """
    target = _with_ending(path, (SESSION_SUFFIX,))
    with _explaining(target):
        session = session_of([(data, _with_contour(meta, kind), kind) for data, meta, kind in layers])

    def write(overwrite: bool) -> str:
        with _explaining(target):
            write_session(target, session, overwrite=overwrite)
        return f"session of {len(session.layers)} layers; drop it on napari to go on"

    return _save(path, target, write)


# -- names and permissions --------------------------------------------------------------------------------


def _with_ending(path: str, endings: Sequence[str] | Mapping[str, str]) -> Path:
    """Return the path with the first of `endings` if it has none of them."""
    target = Path(path)
    return target if target.suffix.lower() in endings else target.with_name(target.name + next(iter(endings)))


def _save(path: str, target: Path, write: Callable[[bool], str]) -> list[str]:
    """Write a file if it may be, and say what was written."""
    overwrite = False
    if target.exists() and is_interactive():
        overwrite = str(target) == path or may_overwrite([target])
        if not overwrite:
            tell(f"Nothing was written: {target.name} stays as it was.")
            return [str(target)]
    tell(f"Wrote {target}: {write(overwrite)}.")
    return [str(target)]


@contextmanager
def _explaining(target: Path) -> Iterator[None]:
    """Turn what is wrong with a layer into a `FormatError`.

    napari takes a ValueError, which `ParameterError` and `GeometryError` are, for "no plugin can write this".
    """
    try:
        yield
    except FormatError:
        raise
    except PetlutError as error:
        raise FormatError(target, "a layer that fits this file", str(error), "correct the layer") from error


# -- what a layer does not tell ---------------------------------------------------------------------------


def _geometry(meta: Meta) -> BlockGeometry | None:
    return ly.geometry_of(meta) or geometry_in_viewer(current_viewer(), ly.info(meta).block)


def _computed(meta: Meta, labels: LabelArray) -> LabelArray:
    known = ly.info(meta).computed
    return labels if known is None else known


def _encoding_for(target: Path, meta: Meta) -> LUTEncoding:
    ending = target.suffix.lower()
    known = ly.info(meta).encoding
    if ending == ".lut" and known is not None:
        return known
    return LUT_PRESETS[LUT_ENDINGS[ending]]


def _with_contour(meta: Meta, kind: str) -> Meta:
    """Return the keywords of a Labels layer with its outline width, which napari does not hand over."""
    viewer = current_viewer()
    if kind == "labels" and viewer is not None:
        for layer in viewer.layers:
            if layer.metadata is meta.get("metadata"):
                return {**meta, "contour": layer.contour}
    return meta


def _write_lut_record(
    target: Path, encoding: LUTEncoding, geometry: BlockGeometry, painted: int
) -> Path | None:
    """Write beside a LUT what is needed to read it again; a record of something else stays untouched."""
    path = target.with_name(f"{target.stem}_record.json")
    record = Record(RecordKind.LUT, geometry, encoding, by_hand=HandWork(painted))
    if path.exists() and not _is_ours(path) and not may_overwrite([path]):
        return None
    write_record(path, record.with_outputs({"lut": target}), overwrite=path.exists())
    return path


def _is_ours(path: Path) -> bool:
    try:
        return read_record(path).kind is RecordKind.LUT
    except FormatError:
        return False
