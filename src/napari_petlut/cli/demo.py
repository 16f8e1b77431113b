"""The tour of `petlut demo`: a simulated block in the lab's formats, calibrated, held against its truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.analysis.events import event_positions
from napari_petlut.analysis.flood import FloodParameters
from napari_petlut.errors import ParameterError
from napari_petlut.formats._files import atomic_write
from napari_petlut.formats.events import iter_words, write_words
from napari_petlut.formats.maps import write_map
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import CrystalLUT, EnergyWindow, EventFormat
from napari_petlut.report import report_paths, write_picture, write_report
from napari_petlut.simulation import PRESETS, BlockSimulation, SimulatedBlock, iter_events, simulate_block
from napari_petlut.workflow.calibration import Calibration
from napari_petlut.workflow.measuring import measure_energy, measure_quality
from napari_petlut.workflow.outputs import check_outputs, make_directory, output_paths
from napari_petlut.workflow.pipeline import Progress, calibrate
from napari_petlut.workflow.scoring import score_lattice, symmetric_ids
from napari_petlut.workflow.sources import flood_of_events

DEMO_EVENTS = 8_000_000
"""Enough for a clear map, few enough for a few seconds."""


@dataclass(frozen=True)
class DemoResult:
    """What the demo found in each source file, by figure, and what it wrote."""

    scores: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return the result in plain values."""
        return {
            "found": {name: dict(score) for name, score in self.scores.items()},
            "files": dict(self.files),
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return the scores as column names and rows, one figure a row."""
        figures = list(next(iter(self.scores.values())))
        return ("", *self.scores), [(f, *(score[f] for score in self.scores.values())) for f in figures]

    def files_to_open(self, directory: Path) -> list[Path]:
        """Return the files that show the result in napari."""
        return [directory / name for name in ("block_map.dat", "block_raw.lut", "block_raw_peaks.csv")]


def simulation_parameters(preset: str, **changes: Any) -> BlockSimulation:  # noqa: ANN401 - any of its fields
    """Return a named kind of simulated block with some parameters changed.

    Raises
    ------
    ParameterError
        If there is no such kind, or a value is out of range.
    """
    if preset not in PRESETS:
        raise ParameterError(f"unknown preset {preset!r}; known are {', '.join(PRESETS)}")
    return replace(PRESETS[preset], **changes)


def write_simulation(
    params: BlockSimulation,
    events: int,
    directory: Path,
    *,
    stem: str = "block",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write ``STEM_raw.dat``, ``STEM_map.dat`` and ``STEM_truth.npz`` of a simulated block.

    Parameters
    ----------
    params : BlockSimulation
    events : int
        Events in the raw file, all energies together.
    directory : Path
        Made if it does not exist.
    stem : str
        Beginning of the file names.
    overwrite : bool
        Whether files of these names may be replaced.
    progress : callable, optional
        Called with the step's name and the fraction of it that is done.

    Returns
    -------
    dict of str to Path
        Written files by kind: "raw", "map", "truth".
    """
    paths = {
        "raw": directory / f"{stem}_raw.dat",
        "map": directory / f"{stem}_map.dat",
        "truth": directory / f"{stem}_truth.npz",
    }
    check_outputs(paths.values(), overwrite=overwrite)
    make_directory(directory)
    layout, crystals = EventFormat(), []

    def words() -> Iterator[npt.NDArray[np.unsignedinteger]]:
        done = 0
        for part in iter_events(params, events):
            crystals.append(part.crystal)
            done += len(part)
            if progress:
                progress("simulation", done / events)
            yield part.words

    write_words(paths["raw"], words(), layout, overwrite=overwrite)
    flood, _, _ = flood_of_events(paths["raw"], FloodParameters(window=params.window), layout)
    write_map(paths["map"], flood, overwrite=overwrite)
    block = simulate_block(params)
    atomic_write(
        paths["truth"],
        # Not compressed: that would take as long as simulating the events, and save a third of the bytes.
        lambda file: np.savez(
            file,
            rows=params.rows,
            cols=params.cols,
            centres=block.centres,
            live=block.live,
            dim=block.dim,
            ideal_lut=block.ideal_lut.ids,
            event_crystal=np.concatenate(crystals),
        ),
        overwrite=overwrite,
    )
    return paths


def run_demo(
    directory: Path, *, seed: int = 1, overwrite: bool = False, progress: Progress | None = None
) -> DemoResult:
    """Simulate a 16 x 16 block, calibrate it from its raw events and from its map, and score both.

    Parameters
    ----------
    directory : Path
        Where all files go; made if it does not exist.
    seed : int
        Of the simulation: another seed is another block.
    overwrite : bool
        Whether files of an earlier run may be replaced.
    progress : callable, optional
        Called with the step's name and the fraction of it that is done.
    """
    params = simulation_parameters("typical", seed=seed)
    sources = {kind: directory / f"block_{kind}.dat" for kind in ("raw", "map")}
    outputs = [p for s in sources.values() for p in output_paths(directory, s.stem).values()]
    picture = directory / "block_raw.png"
    reports = report_paths(directory, "block_raw").values()
    check_outputs([*sources.values(), *outputs, picture, *reports], overwrite=overwrite)
    written = write_simulation(params, DEMO_EVENTS, directory, overwrite=overwrite, progress=progress)
    truth, scores = simulate_block(params), {}
    events = _TrueEvents.of(written, params.window)
    for kind, source in sources.items():
        result = calibrate(source, BlockGeometry(params.rows, params.cols), progress=progress)
        result.write(directory, overwrite=overwrite)
        if kind == "raw":
            write_picture(picture, result, overwrite=overwrite)
            write_report(
                directory, result, measure_energy(result), measure_quality(result), overwrite=overwrite
            )
        scores[source.name] = _score(result, truth, events)
    return DemoResult(scores, _described(directory))


@dataclass(frozen=True, eq=False)
class _TrueEvents:
    """Events in the window that a crystal caused: their pixel of a 512 x 512 map, and the crystal."""

    pixels: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
    crystal: npt.NDArray[np.intp]

    @classmethod
    def of(cls, files: Mapping[str, Path], window: EnergyWindow) -> _TrueEvents:
        """Return the events of a written simulation."""
        words = np.concatenate(list(iter_words(files["raw"])))
        with np.load(files["truth"]) as truth:
            crystal = truth["event_crystal"].astype(np.intp)
        positions, kept = event_positions(words, EventFormat(), window)
        caused = crystal[kept] >= 0
        pixels = np.minimum(np.floor(positions[caused] + 0.5).astype(np.intp), 511)
        return cls((pixels[:, 0], pixels[:, 1]), crystal[kept][caused])

    def share_right(self, lut: CrystalLUT) -> float:
        """Return the share of events that a LUT gives to their crystal, up to the symmetries of the grid."""
        crystals = len(lut.geometry)
        # Events by the crystal they are given to, none of all at last, and by the one that caused them.
        given = lut.ids[self.pixels].astype(np.intp) % (crystals + 1)
        pairs = np.bincount(given * crystals + self.crystal, minlength=(crystals + 1) * crystals)
        events = pairs.reshape(crystals + 1, crystals)[:-1]
        places = (np.argsort(ids) for ids in symmetric_ids(lut.geometry))
        return max(int(events[np.arange(crystals), ids].sum()) for ids in places) / len(self.crystal)


def _score(result: Calibration, truth: SimulatedBlock, events: _TrueEvents) -> dict[str, Any]:
    score = score_lattice(result.lattice, truth.centres, truth.live)
    return {
        "live crystals": int(score.live.sum()),
        "found and numbered right": int(score.right.sum()),
        "marked for a look": int(score.marked.sum()),
        "wrong and not marked": int((score.wrong & ~score.marked).sum()),
        "mean distance to the true centre, px": round(float(score.distance[score.right].mean()), 3),
        "events given to their crystal, %": round(100 * events.share_right(result.lut), 2),
        "the same for the best possible LUT, %": round(100 * events.share_right(truth.ideal_lut), 2),
        "seconds": round(sum(result.seconds.values()), 2),
    }


def _described(directory: Path) -> dict[str, str]:
    notes = {
        "block_raw.dat": "simulated raw events",
        "block_map.dat": "their flood map and energy spectrum",
        "block_truth.npz": "the simulation's truth",
        "block_raw.lut": "crystal LUT made from the raw events",
        "block_raw_peaks.csv": "its peaks",
        "block_raw_record.json": "what is needed to repeat it",
        "block_raw.png": "its picture",
        "block_raw_report.html": "its report: verdict, figures of every crystal, crystals to look at",
        "block_raw_report.pdf": "the same on paper",
        "block_raw_figures.csv": "the figures of every crystal, as .json too",
        "block_map.lut": "crystal LUT made from the map file, with _peaks.csv and _record.json as above",
    }
    return {name: note for name, note in notes.items() if (directory / name).exists()}
