"""One block of a run, from its file to the files beside its LUT; runs in a worker that knows nothing else."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from napari_petlut.batch.blocks import BatchBlock
from napari_petlut.batch.results import BlockResult, State, result_path, without_files
from napari_petlut.errors import LUTNotWrittenWarning, PetlutError
from napari_petlut.formats.lut_encoding import LUTEncoding
from napari_petlut.formats.plain import plain
from napari_petlut.formats.record import OutputFile, sha256_of
from napari_petlut.geometry import BlockGeometry
from napari_petlut.model import FloatArray, PeakStatus
from napari_petlut.workflow.calibration import RECORDED_PACKAGES, Calibration, CalibrationParameters
from napari_petlut.workflow.measuring import events_of, measure_energy, measure_quality
from napari_petlut.workflow.outputs import output_paths
from napari_petlut.workflow.pipeline import calibrate

THUMBNAIL_SIDE = 96
"""Most pixels along a side of the picture in the overview."""
RESULT_VERSION = 1
"""Goes up when results hold something else, so that they are made again."""


@dataclass(frozen=True)
class BlockTask:
    """One block with everything that decides its result.

    Parameters
    ----------
    block : BatchBlock
    parameters : CalibrationParameters
        Those of this block.
    geometry : BlockGeometry or None
        None to have it proposed.
    encoding : LUTEncoding
        Of its LUT file.
    directory : Path
        Where its files go.
    prior : Path, optional
        Lattice of the design.
    """

    block: BatchBlock
    parameters: CalibrationParameters
    geometry: BlockGeometry | None
    encoding: LUTEncoding
    directory: Path
    prior: Path | None = None

    def key(self) -> str:
        """Return the hash of all that decides the result.

        Raises
        ------
        FormatError
            If the file cannot be read.
        """
        told = {
            "result": RESULT_VERSION,
            "source": content_hash(self.block.path),
            "prior": None if self.prior is None else content_hash(self.prior),
            "part": self.block.part,
            "geometry": self.geometry,
            "parameters": self.parameters.to_dict(),
            "encoding": self.encoding,
            "versions": {name: version(name) for name in RECORDED_PACKAGES},
        }
        return hashlib.sha256(json.dumps(plain(told), sort_keys=True).encode()).hexdigest()

    @property
    def outputs(self) -> list[Path]:
        """Files that may be written."""
        files = output_paths(self.directory, self.block.name)
        return [*files.values(), energy_path(self.directory, self.block.name)]

    def unfinished(self, key: str) -> BlockResult:
        """Return what is known of the block before the work."""
        block = self.block
        return BlockResult(
            block.name, State.FAILED, key, block.path.name, block.part or (), block.place, error="not run"
        )


def energy_path(directory: Path, name: str) -> Path:
    """Return where the energy LUT of a block goes."""
    return directory / f"{name}_energy.csv"


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file; of one that has not changed since it was asked for, it is remembered."""
    status = path.stat() if path.is_file() else None
    if status is None:
        return sha256_of(path)
    return _remembered_hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _remembered_hash(path: Path, size: int, changed: int) -> str:
    return sha256_of(path)


def calibrate_block(task: BlockTask) -> BlockResult:
    """Calibrate one block, write its files, and say what became of it; its errors are part of that.

    Writes ``NAME.lut``, ``NAME_peaks.csv``, ``NAME_record.json``, for events ``NAME_energy.csv``, and at last
    ``NAME_result.json``.
    """
    result = task.unfinished("")
    try:
        with threadpool_limits(1):
            result = replace(result, key=task.key())
            # From here on the files are those of this work, or none: without a result they are not finished.
            result_path(task.directory, task.block.name).unlink(missing_ok=True)
            result = _calibrated(task, result)
        result.write(task.directory)
    except PetlutError as error:
        return without_files(result, str(error))
    except (OSError, MemoryError, ArithmeticError, ValueError) as error:
        # One block must not end the run of a thousand.
        return without_files(result, f"{type(error).__name__}: {error}")
    return result


def _calibrated(task: BlockTask, result: BlockResult) -> BlockResult:
    block = task.block
    found = calibrate(block.path, task.geometry, task.parameters, prior=task.prior)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LUTNotWrittenWarning)  # it becomes a note
        files = found.write(task.directory, stem=block.name, encoding=task.encoding, overwrite=True)
    no_lut = () if "lut" in files else (f"no LUT: the encoding {task.encoding.name} cannot hold it",)
    more, energy_figures = _measured_energy(found, energy_path(task.directory, block.name))
    quality = measure_quality(found)
    status = found.lattice.status
    figures: dict[str, float] = {
        "rows": found.geometry.rows,
        "cols": found.geometry.cols,
        "suspects": int((status == PeakStatus.SUSPECT).sum()),
        **quality.figures,
        **energy_figures,
    }
    return replace(
        result,
        state=State.DONE,
        error="",
        verdict=str(quality.verdict),
        notes=tuple(dict.fromkeys((*no_lut, *found.warnings, *quality.reasons))),
        figures={name: float(value) if np.isfinite(value) else None for name, value in figures.items()},
        outputs={kind: OutputFile.of(path) for kind, path in (files | more).items()},
        thumbnail=thumbnail(found.flood.counts),
    )


def _measured_energy(found: Calibration, path: Path) -> tuple[dict[str, Path], dict[str, float]]:
    """Write the energy LUT of a block of events; return its file and its figures, none for a map."""
    if events_of(found) is None:
        return {}, {}
    from napari_petlut.analysis.energy import energy_lut
    from napari_petlut.formats.energy_lut import write_energy_lut

    energies = measure_energy(found)
    assert energies is not None
    peaks = energies.photopeaks
    write_energy_lut(path, energy_lut(peaks, found.geometry), overwrite=True)
    clear = peaks.found
    figures = {
        "photopeaks": float(clear.mean()),
        "photopeak": float(np.median(peaks.position[clear])) if clear.any() else np.nan,
        "energy_resolution": float(np.median(peaks.resolution[clear])) if clear.any() else np.nan,
    }
    return {"energy": path}, figures


def thumbnail(counts: FloatArray) -> str:
    """Return a map as a small picture: the data of a PNG in base64."""
    from napari_petlut.report.shapes import png_of_counts

    step = -(-max(counts.shape) // THUMBNAIL_SIDE)
    padded = np.pad(counts, [(0, -n % step) for n in counts.shape])
    n0, n1 = (n // step for n in padded.shape)
    return png_of_counts(padded.reshape(n0, step, n1, step).sum(axis=(1, 3)))


def task_of(
    block: BatchBlock,
    common: CalibrationParameters,
    geometry: BlockGeometry | None,
    encoding: LUTEncoding,
    directory: Path,
    prior: Path | None,
) -> BlockTask:
    """Return the task of a block: its own parameters and geometry where it has them."""
    parameters: CalibrationParameters = block.parameters(common)
    return BlockTask(block, parameters, block.geometry or geometry, encoding, directory, prior)
