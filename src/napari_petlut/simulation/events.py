"""Single events of a simulated block, in whole numbers as a data acquisition writes them, with the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from napari_petlut.errors import ParameterError
from napari_petlut.formats.events import pack_words
from napari_petlut.geometry import NO_CRYSTAL
from napari_petlut.maps.gaussians import FWHM_PER_SIGMA
from napari_petlut.model import EventFormat, FloatArray
from napari_petlut.simulation import spectrum
from napari_petlut.simulation.artefacts import hot_pixels, line_factors
from napari_petlut.simulation.optics import FULL_SCALE
from napari_petlut.simulation.parameters import BlockSimulation, Stream
from napari_petlut.simulation.response import (
    BACKGROUND_SPREAD,
    HALO_SPREAD,
    block_response,
    event_rates,
    hot_rate,
    site_shares,
)
from napari_petlut.simulation.two_site import two_site_places

BATCH = 262_144
"""Events that share one stream of random numbers, so that an event does not depend on how many there are."""
LAB = EventFormat()
SMALLEST_ENERGY = 1e-3
"""Relative to the photopeak; keeps the width of a spot finite."""

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SimulatedEvents:
    """Events with their truth.

    Parameters
    ----------
    words : ndarray of uint32, shape (n,)
        As `formats.events.write_words` takes them, in the lab's layout.
    crystal : ndarray of int16, shape (n,)
        The crystal that the gamma hit first; -1 for background, noise and hot pixels.
    """

    words: npt.NDArray[np.unsignedinteger]
    crystal: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.words)


def simulate_events(params: BlockSimulation | None = None, events: int = 1_000_000) -> SimulatedEvents:
    """Return single events of a block, all energies included.

    About 57 % of them lie in the window of a typical block. The first events are the same however many are
    asked for. A map of them has the statistics of `simulate_block`.

    Parameters
    ----------
    params : BlockSimulation, optional
        The typical block by default. Its `counts_per_crystal` does not matter here.
    events : int
        How many.

    Returns
    -------
    SimulatedEvents

    Examples
    --------
    >>> sample = simulate_events(BlockSimulation(rows=4, cols=4), 1000)
    >>> sample.words.dtype, int(sample.crystal.max()) < 16
    (dtype('uint32'), True)
    """
    parts = list(iter_events(params, events))
    return SimulatedEvents(
        np.concatenate([part.words for part in parts]), np.concatenate([part.crystal for part in parts])
    )


def iter_events(params: BlockSimulation | None = None, events: int = 1_000_000) -> Iterator[SimulatedEvents]:
    """Yield the events of `simulate_events` some at a time, so that any number fits into memory.

    Parameters
    ----------
    params : BlockSimulation, optional
    events : int
        How many altogether.

    Raises
    ------
    ParameterError
        If `events` is not positive.
    """
    if events < 1:
        raise ParameterError(f"the number of events must be positive, not {events}")
    source = _Source(BlockSimulation() if params is None else params)
    return (source.batch(start // BATCH, min(BATCH, events - start)) for start in range(0, events, BATCH))


class _Energy(IntEnum):
    """Which spectrum an event's energy comes from."""

    FULL = 0
    PARTIAL = 1
    BACKGROUND = 2
    NOISE = 3


class _Source:
    """Draws batches of events of one block.

    Events come from many sources: each crystal's spot with full or partial energy, scattered or not, the
    background around it, the noise, the hot pixels. Every array here has one entry per source.
    """

    def __init__(self, params: BlockSimulation) -> None:
        self.params = params
        self.response = response = block_response(params)
        self.hot = hot_pixels(params)
        rates, n, hot = event_rates(response), len(params.geometry), len(self.hot)
        crystals = np.arange(n)
        single, halo, two = site_shares(response)
        # Rate, spectrum, crystals, variance beyond the spot's own, whether the crystal is the truth
        table = [
            (rates.full * single, _Energy.FULL, crystals, 0.0, True),
            (rates.full * halo, _Energy.FULL, crystals, HALO_SPREAD, True),
            (rates.partial * single, _Energy.PARTIAL, crystals, 0.0, True),
            (rates.partial * halo, _Energy.PARTIAL, crystals, HALO_SPREAD, True),
            (rates.background, _Energy.BACKGROUND, crystals, BACKGROUND_SPREAD, False),
            (np.full(n, rates.noise / n), _Energy.NOISE, crystals, 0.0, False),
            (np.full(hot, hot_rate(response)), _Energy.FULL, np.zeros(hot, np.intp), 0.0, False),
        ]
        if params.two_site > 0:
            escaped = (rates.full + rates.partial) * (params.two_site / (1 - params.two_site)) * single
            escaped -= (rates.full + rates.partial) * two
            # The last of the table stay the hot pixels. What leaves the block leaves a part of its energy.
            table[-1:-1] = [
                (rates.full * two, _Energy.FULL, crystals, 0.0, True),
                (rates.partial * two, _Energy.PARTIAL, crystals, 0.0, True),
                (np.maximum(escaped, 0.0), _Energy.PARTIAL, crystals, 0.0, True),
            ]
        sizes = [len(row[0]) for row in table]
        # Where in the table two-site events are.
        self.two_site = np.repeat(np.isin(np.arange(len(table)), (6, 7)) & (params.two_site > 0), sizes)
        rate = np.concatenate([row[0] for row in table])
        self.probability = rate / rate.sum()
        self.energy = np.repeat([row[1] for row in table], sizes)
        self.crystal = np.concatenate([row[2] for row in table])
        self.extra = np.sqrt(np.repeat([row[3] for row in table], sizes))
        known = np.repeat([row[4] for row in table], sizes)
        self.truth = np.where(known, self.crystal, NO_CRYSTAL).astype(np.int16)
        self.photopeak = np.where(known, response.photopeak[self.crystal], params.photopeak)
        self.hot_index = np.arange(len(rate)) - (len(rate) - hot)
        self.root = np.linalg.cholesky(response.covariances)
        self.spread_root = np.linalg.cholesky(response.spread + 1e-9 * np.eye(2))

    def batch(self, index: int, count: int) -> SimulatedEvents:
        """Return the first `count` events of a batch."""
        rng = self.params.rng(Stream.EVENTS, index)
        source = np.repeat(np.arange(len(self.probability)), rng.multinomial(BATCH, self.probability))
        rng.shuffle(source)
        energy = self._energies(self.energy[source], rng)
        channel = energy * self.photopeak[source]
        share = 1 - (self._places(source, energy, rng) + 0.5) / FULL_SCALE
        e = np.rint(channel).astype(np.int64)
        ratios = np.rint(share * channel[:, None]).astype(np.int64)
        hot = self.hot_index[source] >= 0
        # At 512 channels and more, every pixel has an Ex that leads to it.
        e[hot] = np.maximum(e[hot], int(FULL_SCALE))
        pixels = self.hot[self.hot_index[source[hot]]]
        ratios[hot] = np.floor(e[hot, None] * (1 - pixels / FULL_SCALE)).astype(np.int64)
        e, ratios = np.clip(e, 0, LAB.energy.mask), np.clip(ratios, 0, LAB.x.mask)
        keep = self._recorded(e, ratios, rng)[:count]
        words = pack_words(e[keep], ratios[keep, 0], ratios[keep, 1], LAB)
        return SimulatedEvents(words, self.truth[source[keep]])

    def _energies(self, which: npt.NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
        """Return energies relative to the photopeak."""
        resolution = self.params.energy_resolution
        energy = 1 + resolution / FWHM_PER_SIGMA * rng.standard_normal(len(which))
        for kind, shape in (
            (_Energy.PARTIAL, spectrum.partial_energy(resolution)),
            (_Energy.BACKGROUND, spectrum.background_energy()),
        ):
            mine = which == kind
            cumulative = np.concatenate([[0.0], np.cumsum(shape)])
            edges = np.arange(len(cumulative)) * spectrum.STEP
            energy[mine] = np.interp(rng.random(np.count_nonzero(mine)), cumulative, edges)
        noise = which == _Energy.NOISE
        energy[noise] = rng.exponential(spectrum.NOISE_ENERGY, np.count_nonzero(noise))
        return np.asarray(np.maximum(energy, SMALLEST_ENERGY))

    def _places(
        self, source: npt.NDArray[np.intp], energy: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return positions in pixels: the photon statistics give a variance that goes with 1 / E."""
        crystal = self.crystal[source]
        centre = self.response.centres[crystal]
        split = np.flatnonzero(self.two_site[source])
        if split.size:
            centre[split] = two_site_places(self.response, crystal[split], rng)
        place = centre + _correlated(self.root[crystal], rng) / np.sqrt(energy)[:, None]
        wide = np.flatnonzero(self.extra[source])
        place[wide] += self.extra[source[wide], None] * _correlated(self.spread_root[crystal[wide]], rng)
        return np.asarray(place)

    def _recorded(self, e: Whole, ratios: Whole, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Return which events are recorded: those on a bright line more than once, on a dark one not all."""
        everything = np.arange(len(e))
        if self.params.lines == 0:
            return everything
        position = (1 - ratios / np.maximum(e, 1)[:, None]) * FULL_SCALE
        pixel = np.clip(position, 0, FULL_SCALE - 1).astype(np.intp)
        factor = line_factors(self.params)[pixel[:, 0], pixel[:, 1]]
        copies = np.floor(factor + rng.random(len(e))).astype(np.intp)
        recorded = rng.permutation(np.repeat(everything, copies))
        missing = max(len(e) - len(recorded), 0)
        return np.concatenate([recorded, rng.choice(recorded, missing)])[: len(e)]


def _correlated(root: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return Gaussian vectors of mean 0 with the covariances whose Cholesky factors are given."""
    z = rng.standard_normal((2, len(root)))
    return np.stack([root[:, 0, 0] * z[0], root[:, 1, 0] * z[0] + root[:, 1, 1] * z[1]], axis=-1)
