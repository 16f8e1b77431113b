"""From event words to energy spectrum and flood map, chunk by chunk, on all cores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events.counting import CancelCheck, EventCounter, Progress, watched
from napari_petlut.analysis.events.pixels import map_of_pixels, pixel_rule, spectrum_channels
from napari_petlut.analysis.events.words import Counts, EventChunk, Words
from napari_petlut.analysis.flood.parameters import FloodParameters
from napari_petlut.model import EnergyWindow, EventFormat, FloodMap


class FloodAccumulator:
    """Adds events, chunk by chunk, to an energy spectrum and a flood map.

    The map equals, bin for bin, that of ``numpy.histogram2d(x, y, bins, [[0, full_scale], [0, full_scale]])``
    with ``x = (1 - Ex / E) * full_scale`` in double precision, the same for y, over all events in the window:
    positions outside the scale are dropped, and one exactly on its end (Ex = 0) counts in the last pixel.
    It does not depend on the number of threads or on how the events are cut into chunks.

    Parameters
    ----------
    fmt : EventFormat
        Layout of a word.
    parameters : FloodParameters
        Window, bins and dither.
    threads : int, optional
        Threads to use; by default one for each core that this process may use, fewer for very large maps.

    Examples
    --------
    >>> import numpy as np
    >>> flood = FloodAccumulator(parameters=FloodParameters(bins=2))
    >>> flood.add(np.array([(600 << 20) | (150 << 10) | 450], np.uint32))
    >>> flood.result().counts
    array([[0., 1.],
           [0., 0.]])
    """

    def __init__(
        self,
        fmt: EventFormat = EventFormat(),
        parameters: FloodParameters = FloodParameters(),
        *,
        threads: int | None = None,
    ) -> None:
        from napari_petlut.analysis.events.loops import count_flood

        self.fmt = fmt
        self.parameters = parameters
        rule = pixel_rule(
            fmt, parameters.bins, parameters.window, dither=parameters.dither, seed=parameters.seed
        )

        def count(words: Words, first_index: int, spectrum: Counts, counts: Counts) -> None:
            count_flood(words, first_index, rule, spectrum, counts)

        def count_fields(*arguments: Any) -> None:  # noqa: ANN401 - those of the loop
            from napari_petlut.analysis.events.locating_loops import count_whole_flood

            loop: Any = count_whole_flood
            *fields, spectrum, counts = arguments
            loop(*fields, rule, spectrum, counts)

        shapes = (spectrum_channels(fmt),), (rule.pixels,)
        self._counter = EventCounter(fmt, rule, count, shapes, threads=threads, fields_loop=count_fields)

    @property
    def events(self) -> int:
        """Events added so far, whatever their energy."""
        return self._counter.events

    def add(self, words: EventChunk) -> None:
        """Count a chunk of events.

        Parameters
        ----------
        words : ndarray of unsigned int, shape (n,)
            Event words of the format's size, in the order of the source.

        Raises
        ------
        ParameterError
            If the words are not unsigned integers of the format's size.
        """
        self._counter.add(words)

    def result(self, source: str = "") -> FloodMap:
        """Return the flood map of all events added so far; more can be added afterwards.

        Parameters
        ----------
        source : str
            Where the events come from, for titles and records.
        """
        spectrum, counts = self._counter.totals()
        return FloodMap(
            counts=map_of_pixels(counts, self.parameters.bins),
            spectrum=spectrum,
            window=self.parameters.window,
            full_scale=self.fmt.full_scale,
            source=source,
        )


def flood_from_words(
    chunks: Iterable[EventChunk],
    fmt: EventFormat = EventFormat(),
    parameters: FloodParameters = FloodParameters(),
    *,
    events: int | None = None,
    source: str = "",
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> FloodMap:
    """Return the flood map and energy spectrum of events that come in chunks.

    Parameters
    ----------
    chunks : iterable of ndarray of unsigned int
        Event words in the order of the source, for example ``formats.events.iter_words(path)``. Only one
        chunk is held at a time.
    fmt : EventFormat
        Layout of a word.
    parameters : FloodParameters
        Window, bins and dither.
    events : int, optional
        How many events will come; without it `progress` is only called at the end.
    source : str
        Where the events come from, for titles and records.
    threads : int, optional
        Threads to use; by default all cores. The result does not depend on it.
    progress : callable, optional
        Gets the finished fraction, 0 to 1, after each chunk.
    cancelled : callable, optional
        Asked before each chunk; when it returns True the work stops.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If the words are not unsigned integers of the format's size.

    See Also
    --------
    FloodAccumulator : the same, one chunk at a time, and what exactly is counted.
    """
    accumulator = FloodAccumulator(fmt, parameters, threads=threads)
    for words in watched(chunks, events, progress, cancelled):
        accumulator.add(words)
    return accumulator.result(source)


def energy_spectrum(
    chunks: Iterable[EventChunk],
    fmt: EventFormat = EventFormat(),
    *,
    events: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> npt.NDArray[np.int64]:
    """Return the energy spectrum of all events, one channel per ADC value.

    Parameters are those of `flood_from_words`.

    Returns
    -------
    ndarray of int64, shape (channels,)
        4096, or more for formats whose energy has more than 12 bits, see `spectrum_channels`.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If the words are not unsigned integers of the format's size.
    """
    from napari_petlut.analysis.events.loops import count_energies

    rule = pixel_rule(fmt, bins=2, window=EnergyWindow(0, 1))

    def count(words: Words, _: int, spectrum: Counts) -> None:
        count_energies(words, rule, spectrum)

    counter = EventCounter(fmt, rule, count, [(spectrum_channels(fmt),)], threads=threads)
    for chunk in watched(chunks, events, progress, cancelled):
        counter.add(chunk)
    return counter.totals()[0]
