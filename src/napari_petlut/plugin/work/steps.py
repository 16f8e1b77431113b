"""The steps of the workflow as jobs on one block: arrays come out of layers, results go back into them.

A job made here holds everything it needs, so that the layers can be edited while it runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_petlut.analysis.detection import (
    FilterParameters,
    PeakParameters,
    filter_map,
    find_peaks,
)
from napari_petlut.analysis.flood import FloodParameters, remove_comb
from napari_petlut.analysis.lattice import LatticeParameters, find_lattice, propose_geometry
from napari_petlut.errors import ParameterError
from napari_petlut.model import (
    FloatArray,
    FloodMap,
    Lattice,
    Peaks,
    PeakStatus,
)
from napari_petlut.plugin import layers as ly
from napari_petlut.plugin.editing.suspects import ACCEPTED_REASON
from napari_petlut.plugin.work.block import BlockController
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress, check, part_of
from napari_petlut.plugin.work.previewing import show_filtered
from napari_petlut.plugin.work.segmenting import (
    Cells,
    calibration_parameters,
    put_below_peaks,
    sentence,
    show_cells,
    source_of,
)
from napari_petlut.workflow.pipeline import cells_of_lattice
from napari_petlut.workflow.sources import flood_of_events

_Counted = tuple[FloodMap, FloodParameters, tuple[str, ...]]


# -- flood map --------------------------------------------------------------------------------------------


def flood_job(block: BlockController) -> Job:
    """Make the flood map again from its event file, with the window, bins and dither that were chosen.

    Raises
    ------
    ParameterError
        If the map was not made from an event file.
    """
    origin = ly.events_of(block.flood_layer)
    if origin is None:
        raise ParameterError(
            "this flood map did not come from an event file, so its energy window is fixed; "
            "open the raw event file to choose another"
        )
    path, fmt = origin
    chosen = block.parameters(FloodParameters)

    def compute(progress: Progress, cancelled: CancelCheck) -> _Counted:
        return flood_of_events(path, chosen, fmt, progress=progress, cancelled=cancelled)

    def show(counted: _Counted) -> str:
        flood, used, notes = counted
        before = block.flood.shape
        layer = ly.events_layer(path, fmt, *counted)
        ly.info(layer).block = block.name
        ly.update_layer(block.flood_layer, layer)
        known = ly.info(block.flood_layer)
        known.window, known.with_comb = flood.window, None
        block.choose(used)
        if flood.shape != before:
            block.rescale((flood.shape[0] / before[0], flood.shape[1] / before[1]))
        kept = f" with {flood.window}" if flood.window else ""
        said = [f"Flood map: {flood.total:,.0f} events{kept}.", *map(sentence, notes)]
        if block.peaks_layer is not None:
            said.append("Peaks and cells are those of the map before; run again to renew them.")
        return "\n".join(said)

    return Job("Flood map", compute, show, block)


def set_comb_removed(block: BlockController, removed: bool) -> str:
    """Take the comb of whole numbers out of a map that has no events, or put it back."""
    layer, known = block.flood_layer, ly.info(block.flood_layer)
    if removed and known.with_comb is None:
        counts = block.flood.counts
        known.with_comb = counts
        layer.data = remove_comb(counts)
        changed = int((np.asarray(layer.data) != counts).any(axis=1).sum())
        return f"Comb removed: {changed} lines changed." if changed else "This map has no comb."
    if not removed and known.with_comb is not None:
        layer.data, known.with_comb = known.with_comb, None
        return "The map is as it was recorded."
    return ""


# -- filter and peaks -------------------------------------------------------------------------------------


def filter_job(block: BlockController) -> Job:
    """Show the filtered flood map."""
    counts, chosen = block.flood.counts, block.parameters(FilterParameters)

    def show(filtered: FloatArray) -> str:
        show_filtered(block, filtered).visible = True
        return f"Filtered with sigma {chosen.sigma:g} px."

    return Job("Filter", lambda progress, cancelled: filter_map(counts, chosen), show, block)


def peaks_job(block: BlockController) -> Job:
    """Find the local maxima of the filtered map; they replace the peaks there are."""
    counts, geometry = block.flood.counts, block.geometry
    smoothing, chosen = block.parameters(FilterParameters), block.parameters(PeakParameters)

    def compute(progress: Progress, cancelled: CancelCheck) -> Peaks:
        return find_peaks(filter_map(counts, smoothing), chosen, geometry=geometry)

    def show(peaks: Peaks) -> str:
        block.set_peaks(peaks)
        show_lines(block)
        return f"{len(peaks)} peaks for {geometry.crystals} crystals."

    return Job("Peak search", compute, show, block)


# -- lattice ----------------------------------------------------------------------------------------------


def fixed_peaks(block: BlockController) -> dict[int, tuple[float, float]]:
    """Return the peaks that a person placed, moved or confirmed, by crystal id."""
    peaks = block.peaks
    manual = (peaks.status == PeakStatus.MANUAL) & (peaks.crystal >= 0)
    return {
        int(crystal): (float(place[0]), float(place[1]))
        for crystal, place in zip(peaks.crystal[manual], peaks.positions[manual], strict=True)
    }


def lattice_job(block: BlockController, *, keep_manual: bool = True) -> Job:
    """Find and number every crystal; peaks placed by hand stay where they are unless `keep_manual` is off.

    Rows and columns that nobody has set are proposed from the map, as on the command line; the lattice's
    doubts say so.
    """
    counts, numbered_in, known = block.flood.counts, block.geometry, block.geometry_known
    chosen = block.parameters(LatticeParameters)
    fixed = fixed_peaks(block) if keep_manual else {}

    def compute(progress: Progress, cancelled: CancelCheck) -> Lattice:
        # Crystals that were numbered in an array of another size say nothing about this one.
        holds = known or (bool(fixed) and propose_geometry(counts)[0].geometry == numbered_in)
        return find_lattice(
            counts,
            numbered_in if holds else None,
            chosen,
            fixed=fixed if holds and fixed else None,
            progress=progress,
            cancelled=cancelled,
        )

    return Job("Lattice", compute, lambda lattice: show_lattice(block, lattice), block)


def show_lattice(block: BlockController, lattice: Lattice) -> str:
    """Show a lattice as the block's peaks and lines, and say what is doubtful about it."""
    block.lattice = lattice
    if lattice.geometry != block.geometry or not block.geometry_known:
        block.geometry = lattice.geometry
        block.parameters_changed.emit()  # the panels show another size
    peaks, reasons = ly.lattice_peaks(lattice)
    block.set_peaks(peaks, _with_words_kept(block, peaks, reasons))
    show_lines(block)
    return "\n".join([_found_text(lattice), *map(sentence, lattice.doubts)])


def _with_words_kept(block: BlockController, peaks: Peaks, reasons: list[str]) -> list[str]:
    """Return the reasons in which peaks that a person settled stay settled, if they stay where they were."""
    if block.editor is None:
        return reasons
    known = block.editor.features
    settled = known["reason"].to_numpy() == ACCEPTED_REASON
    before = {
        int(crystal): tuple(place)
        for crystal, place in zip(
            known["crystal"][settled], block.editor.positions[settled].tolist(), strict=True
        )
    }
    manual = peaks.status == PeakStatus.MANUAL
    return [
        ACCEPTED_REASON if manual[row] and before.get(int(crystal)) == tuple(place) else reason
        for row, (crystal, place, reason) in enumerate(
            zip(peaks.crystal, peaks.positions.tolist(), reasons, strict=True)
        )
    ]


def _found_text(lattice: Lattice) -> str:
    """Return how the crystals came to be, for example "240 crystals found, 15 inferred, 1 missing."."""
    words, numbers = np.unique(lattice.status, return_counts=True)
    counted = dict(zip(words.tolist(), numbers.tolist(), strict=True))
    told = [word for word in PeakStatus if word != PeakStatus.ABSENT]
    parts = [f"{counted[word]} {word}" for word in told if counted.get(word)]
    return f"{lattice.geometry.crystals} crystals: {', '.join(parts)}."


def show_alternative(block: BlockController, index: int) -> str:
    """Show one of the other lattices that explain the map almost as well; undo brings the first one back."""
    if block.lattice is None or not 0 <= index < len(block.lattice.alternatives):
        return ""
    other = block.lattice.alternatives[index]
    n = len(block.lattice.geometry)
    peaks = Peaks(
        other.positions,
        crystal=np.arange(n),
        status=np.full(n, PeakStatus.INFERRED.value),
        confidence=np.full(n, other.plausibility),
    )
    block.set_peaks(peaks)
    show_lines(block)
    return f"Showing the other lattice: {other.description}. Undo goes back."


def show_lines(block: BlockController) -> None:
    """Draw the lines between neighbours and the numbers, in the layers that are there or new ones."""
    grid = block.places.reshape(*block.geometry.shape, 2)
    lines = ly.lattice_layer(grid, block.flood_layer.name, block=block.name, geometry=block.geometry)
    if len(lines.data) or ly.find_layer(block.viewer, ly.LayerKind.LATTICE, block.name):
        shown = ly.show_layer(block.viewer, lines, like=block.flood_layer)
        put_below_peaks(block, shown)
        block.show_marks()


# -- all of it --------------------------------------------------------------------------------------------


def run_all_job(block: BlockController) -> Job:
    """Go from the flood map to the cells; peaks placed by hand are kept."""
    lattice = lattice_job(block)
    flood, source, parameters = block.flood, source_of(block), calibration_parameters(block)

    def compute(progress: Progress, cancelled: CancelCheck) -> tuple[Lattice, Cells]:
        found = lattice.compute(part_of(progress, 0.0, 0.5), cancelled)
        check(cancelled)
        hooks: dict[str, Any] = {"progress": part_of(progress, 0.5, 1.0), "cancelled": cancelled}
        cells, lut = cells_of_lattice(flood, found, parameters, source, **hooks)
        return found, Cells(cells, lut, found.positions, parameters.segmentation)

    def show(result: tuple[Lattice, Cells]) -> str:
        found, cells = result
        return f"{show_lattice(block, found)}\n{show_cells(block, cells, own_step=False)}"

    return Job("Run all", compute, show, block)
