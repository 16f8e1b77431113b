"""From whatever a person has - a file of any known kind, or an array - to a flood map and a prior lattice."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events import event_positions
from napari_petlut.analysis.flood import FloodParameters, energy_spectrum, flood_from_words, suggest_window
from napari_petlut.errors import FormatError, ParameterError
from napari_petlut.formats._files import read_bytes
from napari_petlut.formats.arrays.numpy_files import decode_npy
from napari_petlut.formats.event_files import count_events, iter_events
from napari_petlut.formats.event_kinds import one_block
from napari_petlut.formats.event_settling import resolved_bins
from napari_petlut.formats.identification import Content, Hints, IdentifiedFile, identify, identify_source
from napari_petlut.formats.map_kinds import map_in_source
from napari_petlut.formats.map_layout import MapLayout
from napari_petlut.formats.peaks import read_peaks
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import EventFormat, FloatArray, FloodMap

LARGEST_PRIOR = 2**24
"""Bytes; a lattice of 255 x 255 crystals takes a sixteenth of it."""

Source = str | os.PathLike[str] | FloodMap | npt.NDArray[Any]
"""A file, which may be identified already, or a map in memory."""


def load_flood(
    source: Source,
    parameters: FloodParameters,
    event_format: EventFormat,
    *,
    map_layout: MapLayout = MapLayout(),
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[FloodMap, FloodParameters, tuple[str, ...]]:
    """Return the flood map of a source: made from raw events, read from a map file, or the array itself.

    Parameters
    ----------
    source : path, IdentifiedFile, FloodMap or ndarray
    parameters : FloodParameters
        Used for raw events only. A window left open is taken from their spectrum.
    event_format : EventFormat
        How a raw event file packs its events.
    map_layout : MapLayout
        What is told about a file of a map; what is found out is in the warnings.
    progress, cancelled : callable, optional
        Hooks, as in `napari_petlut.workflow.pipeline.calibrate`.

    Returns
    -------
    flood : FloodMap
    parameters : FloodParameters
        With the window that was used.
    warnings : tuple of str
        What a person should know of the window, of how a map was read, or of parameters that it cannot obey.

    Raises
    ------
    FormatError
        If the file cannot be used.
    ParameterError
        If the array holds no counts.
    """
    if isinstance(source, FloodMap):
        return source, parameters, ()
    if isinstance(source, np.ndarray):
        if source.dtype.kind not in "buif":
            raise ParameterError(f"a flood map is an array of real numbers, not of {source.dtype}")
        return FloodMap(source.astype(np.float64)), parameters, ()
    file = identify_source(source, Hints(event_format, map_layout=map_layout))
    reading = map_in_source(file)
    if reading is not None:
        return reading.flood, parameters, (*reading.notes, *_idle_parameters(parameters))
    return flood_of_events(file, parameters, file.found.layout, progress=progress, cancelled=cancelled)


def flood_shape(
    path: str | os.PathLike[str],
    parameters: FloodParameters,
    event_format: EventFormat,
    map_layout: MapLayout = MapLayout(),
) -> tuple[int, int]:
    """Return the pixels of the map that `load_flood` would return, without reading any events.

    Parameters
    ----------
    path : path-like or IdentifiedFile
        A map is read, once: an identified file keeps it.
    parameters : FloodParameters
    event_format : EventFormat
    map_layout : MapLayout

    Raises
    ------
    FormatError
        If the file cannot be used.
    """
    file = identify_source(path, Hints(event_format, map_layout=map_layout))
    reading = map_in_source(file)
    if reading is not None:
        return reading.flood.shape
    bins = resolved_bins(file.found.layout, parameters.bins)
    return bins, bins


def require_events(path: str | os.PathLike[str], event_format: EventFormat) -> IdentifiedFile:
    """Return a file, identified, that holds raw events.

    Parameters
    ----------
    path : path-like
    event_format : EventFormat
        How it packs its events.

    Raises
    ------
    FormatError
        If it is a file of another kind, cannot be read, or holds events of several blocks.
    """
    file = identify(path, Hints(event_format))
    one_block(file)
    return file


def _idle_parameters(parameters: FloodParameters) -> tuple[str, ...]:
    """Return a warning if parameters were set that only raw events can obey."""
    plain = FloodParameters()
    changed = [
        name for name in ("window", "bins", "dither") if getattr(parameters, name) != getattr(plain, name)
    ]
    return (f"a map is taken as it is: {', '.join(changed)} had no effect",) if changed else ()


def flood_of_events(
    path: str | os.PathLike[str],
    parameters: FloodParameters,
    event_format: EventFormat,
    *,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[FloodMap, FloodParameters, tuple[str, ...]]:
    """Return the flood map of a raw event file, what `load_flood` does for one.

    Parameters
    ----------
    path : path-like
    parameters : FloodParameters
        A window left open is taken from the spectrum.
    event_format : EventFormat
    progress, cancelled : callable, optional
        Hooks, as in `napari_petlut.workflow.pipeline.calibrate`.

    Returns
    -------
    flood, parameters, warnings
        As `load_flood`.

    Raises
    ------
    FormatError
        If the file holds no events, those of several blocks, or none in the window.
    """
    file = identify(path, Hints(event_format))
    layout = one_block(file)
    events = count_events(file, layout)
    warnings: tuple[str, ...] = ()
    bins = resolved_bins(layout, parameters.bins)
    if bins != parameters.bins:
        warnings += (f"positions are whole numbers: a map of {bins} pixels a side, not {parameters.bins}",)
        parameters = replace(parameters, bins=bins)
    if parameters.window is None:
        chunks = iter_events(file, layout)
        suggestion = suggest_window(energy_spectrum(chunks, layout, events=events, cancelled=cancelled))
        parameters = replace(parameters, window=suggestion.window)
        if suggestion.window is None:
            warnings += (f"no photopeak found ({suggestion.reason}): all energies are kept; give the window",)
        elif suggestion.reason:
            warnings += (
                f"the photopeak is uncertain: {suggestion.reason}; the energy window {suggestion.window} "
                "holds all that may be it: give the window",
            )
    flood = flood_from_words(
        iter_events(file, layout),
        layout,
        parameters,
        events=events,
        source=file.path.name,
        progress=progress,
        cancelled=cancelled,
    )
    file.held.require_unchanged()
    if not flood.counts.any():
        raise FormatError(path, f"events in the window {parameters.window}", "none", "choose another window")
    return flood, parameters, warnings


def first_positions(
    source: Source, events: int, parameters: FloodParameters, event_format: EventFormat
) -> FloatArray:
    """Return where the first events of a raw event file lie on its flood map.

    Parameters
    ----------
    source : path
    events : int
        How many of those in the window and on the map; fewer if the file has no more.
    parameters : FloodParameters
        Window and bins of the map.
    event_format : EventFormat

    Returns
    -------
    ndarray of float64, shape (events, 2)
        (axis 0, axis 1) in pixels, pixel centres at integers.

    Raises
    ------
    ParameterError
        If the source is no raw event file.
    """
    refused = ParameterError("k-means on events needs a raw event file; choose k-means on the map")
    if isinstance(source, (FloodMap, np.ndarray)):
        raise refused
    file = identify(source, Hints(event_format))
    if file.content is not Content.EVENTS:
        raise refused
    layout = one_block(file)
    found: list[FloatArray] = []
    for chunk in iter_events(file, layout):
        found.append(event_positions(chunk, layout, parameters.window, bins=parameters.bins)[0])
        if sum(map(len, found)) >= events:
            break
    return np.concatenate(found)[:events]


def load_prior(
    prior: str | os.PathLike[str] | npt.NDArray[np.float64], geometry: BlockGeometry | None
) -> npt.NDArray[np.float64]:
    """Return a prior lattice as positions of shape (rows, cols, 2).

    Parameters
    ----------
    prior : path or ndarray
        A peaks CSV, a .npy array, or an array of (axis 0, axis 1) positions by row and column.
    geometry : BlockGeometry or None
        The crystal array the prior must fill.

    Raises
    ------
    ParameterError
        If no geometry is given, or the prior has no position for some crystal of it or one for another.
    FormatError
        If the file cannot be read.
    """
    if geometry is None:
        raise ParameterError("a prior lattice needs the number of rows and columns; give both")
    positions = prior if isinstance(prior, np.ndarray) else _prior_of_file(prior, geometry)
    if positions.size != 2 * len(geometry) or not np.isfinite(positions).all():
        raise ParameterError(
            f"the prior must place every crystal of a {geometry} block; give one of the same design"
        )
    return np.asarray(positions, np.float64).reshape(*geometry.shape, 2)


def _prior_of_file(path: str | os.PathLike[str], geometry: BlockGeometry) -> npt.NDArray[np.float64]:
    if Path(path).suffix.lower() != ".npy":
        peaks = read_peaks(path)
        if peaks.crystal.max(initial=-1) >= len(geometry):
            raise ParameterError(
                f"the prior numbers crystals up to {peaks.crystal.max()}, beyond a {geometry} block; "
                "give one of the same design"
            )
        positions = np.full((len(geometry), 2), np.nan)
        numbered = peaks.crystal >= 0
        positions[peaks.crystal[numbered]] = peaks.positions[numbered]
        return positions
    expected = "a .npy array of positions"
    content = read_bytes(path, expected, limit=LARGEST_PRIOR)
    try:
        stored = decode_npy(path, content)
    except FormatError as error:
        raise FormatError(path, expected, error.found, "give a peaks CSV") from None
    if stored.dtype.kind not in "iuf":
        raise FormatError(path, expected, f"an array of {stored.dtype}", "save real numbers")
    return np.asarray(stored, np.float64)
