"""From event words to energy spectrum and flood map, chunk by chunk, on all cores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis._events import CancelCheck, Progress, Words, Workers, kernel_words, watched
from napari_petlut.analysis._positions import pixel_rule
from napari_petlut.analysis.flood.parameters import FloodParameters
from napari_petlut.model import SPECTRUM_BINS, EnergyWindow, EventFormat, FloodMap

MAX_SPECTRUM_BINS = 65536
_MAX_UNFLUSHED = 2**32 - 1


def spectrum_channels(fmt: EventFormat) -> int:
    """Return how many channels the energy spectrum of a format has.

    4096, or as many as the energy has values, at most 65536. Larger energies count in the last channel.
    """
    return min(max(SPECTRUM_BINS, fmt.energy.mask + 1), MAX_SPECTRUM_BINS)


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
        self.fmt = fmt
        self.parameters = parameters
        self.events = 0
        """Events added so far, whatever their energy."""
        self._rule = pixel_rule(
            fmt, parameters.bins, parameters.window, dither=parameters.dither, seed=parameters.seed
        )
        self._workers = Workers(threads, bytes_per_thread=4 * self._rule.pixels)
        self._unflushed = 0
        self._spectra = np.zeros((self._workers.count, spectrum_channels(fmt)), np.uint32)
        self._counts = np.zeros((self._workers.count, self._rule.pixels), np.uint32)
        self._spectrum_total = np.zeros(self._spectra.shape[1], np.int64)
        self._counts_total = np.zeros(self._rule.pixels, np.int64)

    def add(self, words: npt.ArrayLike) -> None:
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
        words = kernel_words(words, self.fmt)
        for start in range(0, words.size, _MAX_UNFLUSHED):
            part = words[start : start + _MAX_UNFLUSHED]
            if self._unflushed + part.size > _MAX_UNFLUSHED:
                self._flush()
            self._workers.run(self._count_part, part)
            self._unflushed += part.size
            self.events += part.size

    def result(self, source: str = "") -> FloodMap:
        """Return the flood map of all events added so far; more can be added afterwards.

        Parameters
        ----------
        source : str
            Where the events come from, for titles and records.
        """
        self._flush()
        side = self.parameters.bins + 1
        return FloodMap(
            # Without the last row and column, which hold the events that are dropped.
            counts=self._counts_total.reshape(side, side)[:-1, :-1].astype(np.float64),
            spectrum=self._spectrum_total.copy(),
            window=self.parameters.window,
            full_scale=self.fmt.full_scale,
            source=source,
        )

    def _count_part(self, thread: int, words: Words, start: int) -> None:
        from napari_petlut.analysis._event_loops import count_flood

        count_flood(words, self.events + start, self._rule, self._spectra[thread], self._counts[thread])

    def _flush(self) -> None:
        # The threads count in 32 bits, which keeps their maps in the cache; the totals need 64.
        for spectrum, counts in zip(self._spectra, self._counts, strict=True):
            self._spectrum_total += spectrum
            self._counts_total += counts
        self._spectra[:], self._counts[:], self._unflushed = 0, 0, 0


def flood_from_words(
    chunks: Iterable[npt.ArrayLike],
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
    chunks: Iterable[npt.ArrayLike],
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
    ndarray of int64, shape (4096,)
        More channels for formats whose energy has more than 12 bits, see `spectrum_channels`.

    Raises
    ------
    Cancelled
        If `cancelled` returned True.
    ParameterError
        If the words are not unsigned integers of the format's size.
    """
    from napari_petlut.analysis._event_loops import count_energies

    workers = Workers(threads)
    rule = pixel_rule(fmt, bins=2, window=EnergyWindow(0, 1))
    spectra = np.zeros((workers.count, spectrum_channels(fmt)), np.int64)

    def count(thread: int, words: Words, _: int) -> None:
        count_energies(words, rule, spectra[thread])

    for chunk in watched(chunks, events, progress, cancelled):
        workers.run(count, kernel_words(chunk, fmt))
    total: npt.NDArray[np.int64] = spectra.sum(axis=0)
    return total
