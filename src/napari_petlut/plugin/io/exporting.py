"""Writing what was worked out on a block: LUT, peaks, record and picture, all with one stem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np

from napari_petlut.errors import ParameterError
from napari_petlut.formats._files import atomic_write
from napari_petlut.formats._sets import written_together
from napari_petlut.formats.lut import write_lut
from napari_petlut.formats.lut_encoding import LUT_PRESETS, LUTEncoding
from napari_petlut.formats.peaks import write_peaks
from napari_petlut.formats.record import HandWork, Record, write_record
from napari_petlut.model import CrystalLUT, Lattice, PeakStatus, Segmentation
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.choices import ExportChoices
from napari_petlut.plugin.work.segmenting import calibration_parameters
from napari_petlut.workflow.calibration import Calibration
from napari_petlut.workflow.outputs import check_outputs, output_paths

_NAMED = 5
"""How many suspects the message after an export names."""
_PICTURE_SUFFIX = ".png"


@dataclass(frozen=True)
class Export:
    """What will be written.

    Parameters
    ----------
    files : mapping of str to Path
        By the name of the choice: "lut", "peaks", "picture", "record".
    choices : ExportChoices
    """

    files: dict[str, Path]
    choices: ExportChoices

    @property
    def existing(self) -> list[Path]:
        """Those that exist already."""
        return [path for path in self.files.values() if path.exists()]


def plan_export(stem: Path, choices: ExportChoices) -> Export:
    """Return the files that an export will write.

    Parameters
    ----------
    stem : Path
        Folder and name; an ending that the export itself gives is taken off.
    choices : ExportChoices

    Raises
    ------
    ParameterError
        If nothing was chosen, the name is empty, or the folder does not exist.
    """
    endings = [path.name for path in output_paths(stem.parent, "").values()]
    name = stem.name
    for ending in (*endings, _PICTURE_SUFFIX):
        name = name.removesuffix(ending)
    if not name:
        raise ParameterError("give the export a file name, for example block_07")
    if not stem.parent.is_dir():
        raise ParameterError(f"the folder {stem.parent} does not exist; choose another")
    paths = output_paths(stem.parent, name) | {"picture": stem.with_name(name + _PICTURE_SUFFIX)}
    files = {kind: path for kind, path in paths.items() if getattr(choices, kind)}
    if not files:
        raise ParameterError("nothing is ticked to be written")
    return Export(files, choices)


def encoding_of(choices: ExportChoices) -> LUTEncoding:
    """Return the layout of the LUT file, with the chosen corner."""
    preset = LUT_PRESETS[choices.encoding]
    return replace(preset, origin=choices.origin) if choices.origin else preset


def size_needed(block: BlockController, export: Export) -> tuple[int, int] | None:
    """Return the pixels to which the LUT must be resampled for its layout, None if it fits or is not wanted.

    Raises
    ------
    ParameterError
        If there are no cells yet.
    """
    shape = lut_of(block).shape
    return encoding_of(export.choices).holding(shape).other_size(shape) if "lut" in export.files else None


def write_export(
    block: BlockController, export: Export, *, overwrite: bool = False, resampled: bool = False
) -> str:
    """Write the files and return what was written, in words.

    Parameters
    ----------
    block : BlockController
    export : Export
    overwrite : bool
        Replace existing files.
    resampled : bool
        Write the LUT on the pixels that its layout needs, see `size_needed`, where that are others than its
        own; the record then says so among its warnings.

    Raises
    ------
    ParameterError
        If there are no cells yet.
    FormatError
        If a file exists and `overwrite` is off or is an input, in which case nothing is written, or cannot be
        written.
    """
    result = calibration_of(block)
    encoding = encoding_of(export.choices).holding(result.lut.shape)
    size, said = size_needed(block, export), remarks(block)
    lut = result.lut
    if resampled and size is not None:
        lut = lut.resampled(size)
        said.append(f"LUT resampled to {size[0]} x {size[1]} pixels.")
        result = replace(result, warnings=tuple(said))
    check_outputs(export.files.values(), result.inputs.values(), overwrite=overwrite)
    writers: dict[str, Callable[[Path], None]] = {
        "lut": lambda path: write_lut(path, lut, encoding),
        "peaks": lambda path: write_peaks(path, block.peaks, block.geometry),
        "picture": lambda path: _write_picture(result, path),
        "record": lambda path: write_record(path, record_of(block, result, export, files.written)),
    }
    first = next(iter(export.files.values()))
    folder = first.parent
    with written_together(folder, first.stem, overwrite=overwrite) as files:
        for kind in sorted(export.files, key=lambda kind: kind == "record"):  # it holds hashes of the others
            writers[kind](files.beside(export.files[kind]))
    names = ", ".join(path.name for path in export.files.values())
    return " ".join([f"Wrote {names} to {folder}.", *said])


def lut_of(block: BlockController) -> CrystalLUT:
    """Return the LUT as the cells are shown now, painting included.

    Raises
    ------
    ParameterError
        If there are no cells yet.
    """
    cells = block.cells_layer
    if cells is None:
        raise ParameterError("there are no cells to export yet; run the segmentation first")
    return ly.lut_from_labels(cells.data, {"metadata": cells.metadata}, block.geometry)


def remarks(block: BlockController) -> list[str]:
    """Return what a person should know about a LUT that is being written."""
    cells = block.cells_layer
    found: list[str] = []
    if cells is None:
        return found
    pixels = int(ly.painted(cells).sum())
    if pixels:
        found.append(f"{pixels} pixel{'s' if pixels > 1 else ''} as painted by hand.")
    if ly.info(cells).stale:
        found.append("Cells around edited peaks are provisional: segment again (Shift+S) to settle them.")
    if block.count.suspects:
        found.append(f"Not settled: {', '.join(suspect.text for suspect in block.suspects[:_NAMED])}.")
    return found


def record_of(
    block: BlockController, result: Calibration, export: Export, written_at: Callable[[Path], Path]
) -> Record:
    """Return the record of a calibration, with what was done by hand.

    The other files are read where `written_at` says that they are until they take their names.

    Every peak of a crystal with events is among its ``fixed_peaks``: repeating the record gives the same LUT,
    unless ``by_hand`` holds what no parameter can express: crystals without a peak or without events, painted
    pixels, provisional cells.
    """
    cells, peaks = block.cells_layer, block.peaks
    manual = (peaks.status == PeakStatus.MANUAL) & (peaks.crystal >= 0)
    by_hand = HandWork(
        painted_pixels=int(ly.painted(cells).sum()) if cells else 0,
        peaks=tuple(np.sort(peaks.crystal[manual]).tolist()),
        without_events=tuple(block.missing.tolist()),
        without_peak=tuple(np.flatnonzero(~np.isfinite(block.places).all(axis=1)).tolist()),
        provisional_cells=bool(cells is not None and ly.info(cells).stale),
    )
    encoding = encoding_of(export.choices).holding(result.lut.shape)
    record = result.record(export.files["record"].parent, encoding)
    written = {kind: written_at(path) for kind, path in export.files.items() if kind != "record"}
    return replace(record, by_hand=by_hand).with_outputs(written)


def calibration_of(block: BlockController) -> Calibration:
    """Return what the layers of a block show now as the result of a calibration.

    Raises
    ------
    ParameterError
        If there are no cells or no peaks yet.
    """
    lut = lut_of(block)
    if block.editor is None:
        raise ParameterError("there are no peaks to export; run the lattice first")
    lattice = lattice_of(block)
    cells, places = block.cells_layer, block.places
    kept = np.isfinite(places).all(axis=1) & ~np.isin(lattice.status, (PeakStatus.MISSING, PeakStatus.ABSENT))
    return Calibration(
        flood=block.flood,
        lattice=lattice,
        segmentation=Segmentation(
            labels=lut.ids,
            centres=places,
            drift=np.full(len(places), np.nan),
            method=ly.info(cells).method or "by hand" if cells else "",
            inertia=np.nan,
            iterations=0,
            seconds=0.0,
        ),
        lut=lut,
        parameters=calibration_parameters(block),
        inputs=_inputs(block),
        fixed={int(i): (float(places[i, 0]), float(places[i, 1])) for i in np.flatnonzero(kept)},
        warnings=tuple(remarks(block)),
    )


def _inputs(block: BlockController) -> dict[str, Path]:
    """Return the file the flood map came from, if this package read it and it is still there."""
    layer = block.flood_layer
    origin = ly.events_of(layer)
    path = origin.path if origin else ly.info(layer).path
    if path is None and layer.source.reader_plugin == "napari-petlut":
        path = layer.source.path
    return {"source": Path(path)} if path and Path(path).is_file() else {}


def lattice_of(block: BlockController) -> Lattice:
    """Return the lattice that the peaks show now; crystals without a peak are where they should be."""
    assert block.editor is not None
    peaks, numbering = block.peaks, block.editor.numbering
    n = len(block.geometry)
    present = block.geometry.present.ravel()
    status = np.where(present, PeakStatus.MISSING, PeakStatus.ABSENT).astype("<U8")
    confidence, reasons = np.zeros(n), [""] * n
    for point in np.flatnonzero(peaks.crystal >= 0):
        crystal = int(peaks.crystal[point])
        status[crystal], confidence[crystal] = peaks.status[point], peaks.confidence[point]
        reasons[crystal] = str(block.editor.features["reason"][point])
    middle = np.nanmean(numbering.places, axis=0)
    places = np.where(np.isfinite(numbering.places), numbering.places, middle)
    extra = peaks.positions[peaks.crystal < 0]
    return Lattice(block.geometry, places, status, confidence, tuple(reasons), extra=extra)


def _write_picture(result: Calibration, path: Path) -> None:
    from napari_petlut.report import block_title, draw_block

    picture = BytesIO()
    title = block_title(result.geometry, result.lattice, result.flood.source)
    figure = draw_block(result.flood, result.lattice, result.lut.ids, result.flood.window, title=title)
    figure.savefig(picture, format="png", dpi=100)
    atomic_write(path, picture.getvalue())
