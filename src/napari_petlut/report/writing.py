"""Writing a block's report: HTML, PDF, CSV and JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_petlut.formats._files import atomic_write
from napari_petlut.formats._sets import written_together
from napari_petlut.report.contents import ReportContents
from napari_petlut.report.figures import CrystalEnergies
from napari_petlut.report.gathering import report_contents

if TYPE_CHECKING:
    from napari_petlut.analysis.quality import BlockQuality
    from napari_petlut.workflow.calibration import Calibration


def report_paths(directory: Path, stem: str) -> dict[str, Path]:
    """Return where the files of a report go."""
    return {
        "report": directory / f"{stem}_report.html",
        "pdf": directory / f"{stem}_report.pdf",
        "figures": directory / f"{stem}_figures.csv",
        "figures_json": directory / f"{stem}_figures.json",
        "crosstalk": directory / f"{stem}_crosstalk.csv",
    }


def write_report(
    directory: str | os.PathLike[str],
    calibration: Calibration,
    energy: CrystalEnergies | None = None,
    quality: BlockQuality | None = None,
    *,
    stem: str | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write ``STEM_report.html`` and ``.pdf``, ``STEM_figures.csv`` and ``.json``, ``STEM_crosstalk.csv``.

    The last is written with quality only.
    The HTML page needs nothing beside it: pictures lie in it, and it loads nothing. The same arguments give
    the same bytes.

    Parameters
    ----------
    directory : path-like
        Made if it does not exist.
    calibration : Calibration
    energy : CrystalEnergies, optional
        Spectra and photopeaks of the crystals, as `measure_energy` gives them; None for a block
        of which only the map is known.
    quality : BlockQuality, optional
        Figures of merit and verdict, as `napari_petlut.workflow.measuring.measure_quality` gives them.
    stem : str, optional
        Beginning of the file names and title of the report; the source's name without its ending by default.
    overwrite : bool
        Whether files of these names may be replaced.

    Returns
    -------
    dict of str to Path
        Written files by kind: "report", "pdf", "figures", "figures_json", and "crosstalk" with quality.

    Raises
    ------
    FormatError
        If a file exists and `overwrite` is off (then nothing is written), or cannot be written.
    """
    from napari_petlut.workflow.outputs import check_outputs

    directory = Path(directory)
    paths = report_paths(directory, stem or calibration.stem)
    check_outputs(paths.values(), calibration.inputs.values(), overwrite=overwrite)
    contents = report_contents(calibration, energy, quality, title=stem, directory=directory)
    return write_contents(directory, contents, overwrite=overwrite)


def write_contents(directory: Path, contents: ReportContents, *, overwrite: bool = False) -> dict[str, Path]:
    """Write a report whose contents are gathered, what `write_report` does; the title is the stem."""
    from napari_petlut.report.page import html_of
    from napari_petlut.report.paper import write_pdf
    from napari_petlut.report.tables import crosstalk_csv, csv_of, json_of
    from napari_petlut.workflow.outputs import check_outputs, make_directory

    paths = report_paths(directory, contents.title)
    check_outputs(paths.values(), overwrite=overwrite)
    if not contents.crosstalk:
        del paths["crosstalk"]
    make_directory(directory)
    with written_together(directory, f"{contents.title}_report", overwrite=overwrite) as files:
        atomic_write(files.beside(paths["report"]), _encoded(html_of(contents)))
        atomic_write(files.beside(paths["pdf"]), lambda file: write_pdf(file, contents))
        atomic_write(files.beside(paths["figures"]), _encoded(csv_of(contents)))
        if contents.crosstalk:
            atomic_write(files.beside(paths["crosstalk"]), crosstalk_csv(contents).encode())
        atomic_write(files.beside(paths["figures_json"]), _encoded(json_of(contents)))
    return paths


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
