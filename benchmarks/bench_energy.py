"""Energy by crystal: speed against the flood map, and photopeaks and windows against simulated truth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _common import Report, main, measure, measure_against
from bench_flood import EVENTS, WINDOW, write_simulated_events
from napari_petlut.analysis.energy import (
    CrystalWindowParameters,
    EnergyCalibration,
    calibrate_energy,
    crystal_photopeaks,
    crystal_spectra,
    fit_photopeaks,
    flood_of_windows,
    iter_crystals,
)
from napari_petlut.analysis.flood import FloodParameters, flood_from_words
from napari_petlut.analysis.segmentation import segment
from napari_petlut.formats.events import iter_words
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyWindow, FloodMap
from napari_petlut.simulation import BlockSimulation, SimulatedEvents, simulate_events
from napari_petlut.simulation.response import block_response
from napari_petlut.simulation.spectrum import (
    RELATIVE_ENERGY,
    STEP,
    background_energy,
    full_energy,
    partial_energy,
)

Windows = EnergyWindow | npt.NDArray[np.int64]


def run(quick: bool) -> Report:
    """Time the spectra of all crystals, and compare photopeaks and energy windows with simulated truth."""
    report = Report("energy", "Energy by crystal")
    events = 2_000_000 if quick else EVENTS
    report.table(f"{events:,} events, 256 crystals", list(_speed(events)))
    report.table(
        "Photopeak of one spectrum, by its events (photopeak at 520, 14 % FWHM)", list(_counts(quick))
    )
    varied = BlockSimulation(yield_spread=0.1, seed=3)
    sample = simulate_events(varied, 2_000_000 if quick else 20_000_000)
    calibration, first = _calibrated(varied, sample)
    title = f"{len(sample):,} events, light yield +-25 % (standard deviation 10 %)"
    report.table(f"Photopeaks of 256 crystals: {title}", list(_photopeaks(varied, sample, calibration)))
    report.table(f"What each crystal's own window buys: {title}", list(_windows(sample, calibration, first)))
    report.table("Crystals that give little", list(_little(quick)))
    rounds = ", ".join(f"{share:.2%}" for share in calibration.changed)
    report.note(f"Events on pixels that changed crystal, round by round: {rounds}.")
    report.note("Bias and spread are relative to the truth. Pull: error made over error stated; 1 is honest.")
    report.note("The pull above 1 comes from neighbours' events, which the stated error does not know of.")
    report.note("Right: share of the kept events whose crystal is the one the gamma hit first.")
    report.note("Evenness: spread over the crystals of the share of their events that is kept.")
    return report


def _speed(events: int) -> Iterator[dict[str, Any]]:
    places = np.clip((np.arange(512) - 20) * 16 // 472, 0, 15)
    lut = CrystalLUT(places[:, None] * 16 + places, BlockGeometry(16, 16))
    windows = np.tile([401, 799], (256, 1))
    parameters = FloodParameters(WINDOW)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events_raw.dat"
        write_simulated_events(path, events)

        def flood() -> FloodMap:
            return flood_from_words(iter_words(path), parameters=parameters)

        steps: dict[str, Callable[[], Any]] = {
            "spectrum of every crystal": lambda: crystal_spectra(iter_words(path), lut),
            "the same, cores apart": lambda: crystal_spectra(iter_words(path), lut, core=lut.ids % 2 == 0),
            "flood map of every crystal's window": lambda: flood_of_windows(
                iter_words(path), lut, windows, parameters=parameters
            ),
            "crystal of every event": lambda: [len(ids) for ids in iter_crystals(iter_words(path), lut)],
        }
        for name, step in steps.items():
            step()
            reference, time, ratio = measure_against(flood, step, repeats=5)
            low, high = ratio.spread
            yield {
                "step": name,
                "time": str(time),
                "flood map meanwhile": str(reference),
                "times the flood map": f"{ratio.median:.2f} ({low:.2f} to {high:.2f})",
                "in processor time": f"{ratio.cpu_median:.2f}",
            }
        spectra = crystal_spectra(iter_words(path), lut)
    fit = measure(lambda: crystal_photopeaks(spectra))
    yield {
        "step": "photopeaks of all",
        "time": str(fit),
        "flood map meanwhile": "",
        "times the flood map": "",
        "in processor time": "",
    }


def _counts(quick: bool) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    shape = 0.58 * full_energy(0.14) + 0.36 * partial_energy(0.14) + 0.06 * background_energy()
    for events in (100, 300, 1000, 10_000, 100_000):
        spectra = np.stack([_spectrum(rng, shape, events, 520.0) for _ in range(50 if quick else 400)])
        peaks = fit_photopeaks(spectra, near=520.0)
        good = peaks.found
        position, width = peaks.position[good] / 520 - 1, peaks.resolution[good] / 0.14 - 1
        yield {
            "events": events,
            "found": f"{good.mean():.1%}",
            "position: bias": f"{position.mean():+.2%}",
            "spread": f"{position.std():.2%}",
            "pull": f"{((peaks.position - 520) / peaks.position_error)[good].std():.2f}",
            "FWHM: bias": f"{width.mean():+.1%}",
            "its spread": f"{width.std():.1%}",
        }


def _spectrum(
    rng: np.random.Generator, shape: npt.NDArray[np.float64], events: int, photopeak: float
) -> npt.NDArray[np.int64]:
    drawn = rng.choice(RELATIVE_ENERGY, size=events, p=shape / shape.sum())
    # Within a step of the table all energies are alike: without this, steps and channels make a comb.
    drawn += rng.uniform(-STEP / 2, STEP / 2, events)
    return np.bincount(np.rint(drawn * photopeak).astype(np.int64), minlength=4096)[:4096]


def _calibrated(
    params: BlockSimulation, sample: SimulatedEvents, **choices: Any
) -> tuple[EnergyCalibration, CrystalLUT]:
    """Return the calibration, and the first LUT, that of the block's window; lattices are the true ones."""
    response = block_response(params)
    luts = []

    def make_lut(flood: FloodMap) -> CrystalLUT:
        luts.append(CrystalLUT(segment(flood.counts, response.centres).labels, params.geometry))
        return luts[-1]

    calibration = calibrate_energy(
        lambda: np.array_split(sample.words, max(len(sample) // 2**22, 1)),
        make_lut,
        flood_parameters=FloodParameters(EnergyWindow(331, 690)),
        parameters=CrystalWindowParameters(**choices),
    )
    return calibration, luts[0]


def _photopeaks(
    params: BlockSimulation, sample: SimulatedEvents, calibration: EnergyCalibration
) -> Iterator[dict[str, Any]]:
    truth = block_response(params).photopeak
    cases = {
        "core 100 % of the cell": fit_photopeaks(calibration.spectra.counts, near=params.photopeak),
        "core 35 % (default)": calibration.photopeaks,
        "core 20 %": _calibrated(params, sample, core=0.2)[0].photopeaks,
    }
    for name, peaks in cases.items():
        good = peaks.found
        error = (peaks.position / truth - 1)[good]
        yield {
            "spectra from": name,
            "found": int(good.sum()),
            "position: bias": f"{error.mean():+.2%}",
            "spread": f"{error.std():.2%}",
            "worst": f"{np.abs(error).max():.2%}",
            "pull": f"{((peaks.position - truth) / peaks.position_error)[good].std():.1f}",
            "energy resolution (true 14 %)": f"{peaks.resolution[good].mean():.2%}",
            "its spread": f"{peaks.resolution[good].std():.2%}",
        }


def _windows(
    sample: SimulatedEvents, calibration: EnergyCalibration, first: CrystalLUT
) -> Iterator[dict[str, Any]]:
    own, block = calibration.windows, EnergyWindow(331, 690)
    kept = _judged(sample, calibration.lut, own)["kept"]
    narrower = next(
        window
        for low in range(331, 520)
        if _judged(sample, first, window := EnergyWindow(low, 690))["kept"] <= kept
    )
    cases: dict[str, tuple[CrystalLUT, Windows]] = {
        f"block window, {block}": (first, block),
        f"block window that keeps as many, {narrower}": (first, narrower),
        "own windows, first LUT": (first, own),
        "own windows, LUT of their map": (calibration.lut, own),
    }
    for name, (lut, windows) in cases.items():
        figures = _judged(sample, lut, windows)
        yield {"window": name, **{key: f"{value:.2%}" for key, value in figures.items()}}


def _judged(sample: SimulatedEvents, lut: CrystalLUT, windows: Windows) -> dict[str, float]:
    ids = next(iter_crystals([sample.words], lut, windows))
    known, inside = sample.crystal >= 0, ids >= 0
    share = np.bincount(sample.crystal[known & inside], minlength=256) / np.bincount(
        sample.crystal[known], minlength=256
    )
    return {
        "kept": float(inside.mean()),
        "right": float((ids == sample.crystal)[inside].mean()),
        "evenness": float(share.std() / share.mean()),
    }


def _little(quick: bool) -> Iterator[dict[str, Any]]:
    for events in (100_000, 1_000_000) if quick else (100_000, 1_000_000, 10_000_000):
        params = BlockSimulation(yield_spread=0.05, seed=5, dead=4, dim=8, dim_level=0.1)
        response = block_response(params)
        sample = simulate_events(params, events)
        calibration, _ = _calibrated(replace(params), sample)
        peaks, faults = calibration.photopeaks, response.faults
        others = ~(faults.dead | faults.dim)
        for kind, which in (("dead", faults.dead), ("dim to 10 %", faults.dim), ("others", others)):
            error = np.abs(peaks.position / response.photopeak - 1)[which & peaks.found]
            yield {
                "events": f"{events:,}",
                "crystals": f"{which.sum()} {kind}",
                **{word: int((peaks.status[which] == word).sum()) for word in _WORDS},
                "median error of found": f"{np.median(error):.2%}" if error.size else "",
            }


_WORDS = ("found", "uncertain", "missing")

if __name__ == "__main__":
    main(run)
