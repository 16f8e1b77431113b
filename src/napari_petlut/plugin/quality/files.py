"""Writing what was measured on a block: its energy LUT and its report."""

from __future__ import annotations

from pathlib import Path

from napari_petlut.analysis.energy import PhotopeakStatus, energy_lut
from napari_petlut.errors import ParameterError
from napari_petlut.formats.energy_lut import ENERGY_LUT_PRESETS, write_energy_lut
from napari_petlut.plugin.quality.measuring import Measurement
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress

CSV = "CSV"


def energy_layouts() -> tuple[str, ...]:
    """Return the names of all layouts of energy LUT files."""
    return (CSV, *ENERGY_LUT_PRESETS)


def energy_lut_path(stem: Path, layout: str) -> Path:
    """Return where the energy LUT goes."""
    return _named(stem).with_name(f"{stem.name}_energy.{'csv' if layout == CSV else 'lut'}")


def export_energy_lut(made: Measurement, stem: Path, layout: str, *, overwrite: bool = False) -> str:
    """Write the energy LUT and return what was written, in words.

    Parameters
    ----------
    made : Measurement
    stem : Path
        Folder and beginning of the file name.
    layout : str
        See `energy_layouts`.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ParameterError
        If there are no photopeaks, or the name is empty.
    FormatError
        If a photopeak does not fit into the layout, or the file cannot be written.
    """
    if made.energy is None:
        raise ParameterError(f"there are no photopeaks to write: {made.note}")
    path, peaks = energy_lut_path(stem, layout), made.energy.photopeaks
    encoding = {} if layout == CSV else {"encoding": layout}
    write_energy_lut(path, energy_lut(peaks, made.calibration.geometry), overwrite=overwrite, **encoding)
    missing = int((peaks.status == PhotopeakStatus.MISSING).sum())
    uncertain = int((peaks.status == PhotopeakStatus.UNCERTAIN).sum())
    without = f" Crystals without a photopeak: {missing}." if missing else ""
    doubtful = f" Uncertain photopeaks: {uncertain}." if uncertain else ""
    return f"Wrote {path.name} to {path.parent}.{without}{doubtful}"


def report_files(stem: Path) -> list[Path]:
    """Return the files of a report."""
    from napari_petlut.report.writing import report_paths

    return list(report_paths(_named(stem).parent, stem.name).values())


def report_job(made: Measurement, stem: Path, *, overwrite: bool = False) -> Job:
    """Return the job that writes the report of a block.

    Parameters
    ----------
    made : Measurement
    stem : Path
        Folder and beginning of the file names.
    overwrite : bool
        Replace existing files.

    Raises
    ------
    ParameterError
        If the name is empty.
    """
    _named(stem)

    def compute(progress: Progress, cancelled: CancelCheck) -> dict[str, Path]:
        from napari_petlut.report.writing import write_report

        return write_report(
            stem.parent, made.calibration, made.energy, made.quality, stem=stem.name, overwrite=overwrite
        )

    def show(written: dict[str, Path]) -> str:
        return f"Wrote {', '.join(path.name for path in written.values())} to {stem.parent}."

    return Job("Report", compute, show)


def _named(stem: Path) -> Path:
    if not stem.name:
        raise ParameterError("give the files a name, for example block_07")
    if not stem.parent.is_dir():
        raise ParameterError(f"the folder {stem.parent} does not exist; choose another")
    return stem
