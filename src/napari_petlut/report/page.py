"""The report as one HTML page that needs nothing beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from napari_petlut.report.contents import (
    LINE_TITLES,
    LINES_NOTE,
    CrystalToSee,
    ReportContents,
    heading,
    how_it_was_made,
    subtitle,
)
from napari_petlut.report.picture import STATUS_COLOURS
from napari_petlut.report.shapes import (
    FIGURE_COLOURS,
    SpectrumShape,
    border_path,
    crop_box,
    figure_map,
    png_of_counts,
    spectrum_shape,
)

TEMPLATE = "report.html.jinja"


def html_of(contents: ReportContents) -> str:
    """Return the report as an HTML page; the same contents give the same text.

    Pictures lie in the page, nothing is loaded from elsewhere. A short script lights up a crystal in every
    map and sorts the table; without it everything can still be read.
    """
    from importlib.metadata import version

    from jinja2 import Environment, PackageLoader, StrictUndefined

    jinja = Environment(
        loader=PackageLoader("napari_petlut", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows, cols = contents.geometry.shape
    return jinja.get_template(TEMPLATE).render(
        c=contents,
        version=version("napari-petlut"),
        title=heading(contents),
        subtitle=subtitle(contents),
        shape=contents.flood.shape,
        rows=rows,
        cols=cols,
        flood=png_of_counts(contents.flood.counts),
        borders=border_path(contents.ids),
        peaks=_peaks(contents),
        statuses=_statuses(contents),
        block_spectrum=None if contents.spectrum is None else spectrum_shape(contents.spectrum),
        gradient=_gradient(),
        maps=[figure_map(figure, cols) for figure in contents.mapped],
        crystals=[_shown_crystal(contents, crystal) for crystal in contents.to_see],
        lines_note=LINES_NOTE,
        line_titles=tuple(LINE_TITLES.values()),
        table=_table(contents),
        made=how_it_was_made(contents.record),
        record=json.dumps(contents.record, indent=2, sort_keys=True),
    )


@dataclass(frozen=True)
class _Peak:
    crystal: int
    x: float
    y: float
    radius: float
    colour: str
    text: str


@dataclass(frozen=True)
class _ShownCrystal:
    see: CrystalToSee
    x: int
    y: int
    width: int
    height: int
    box: str
    picture: str
    borders: str
    cell: str
    peak: _Peak
    spectrum: SpectrumShape | None
    numbers: list[tuple[str, str]]


def _pitch(contents: ReportContents) -> float:
    return float(np.sqrt(contents.flood.counts.size / contents.geometry.crystals))


def _peak(contents: ReportContents, crystal: int, radius: float) -> _Peak:
    lattice = contents.lattice
    row, col = divmod(crystal, lattice.geometry.cols)
    axis0, axis1 = np.round(lattice.positions[crystal] + 0.5, 2).tolist()
    status = str(lattice.status[crystal])
    text = f"crystal {crystal} ({row}, {col}), {status}"
    text += f": {lattice.reasons[crystal]}" if lattice.reasons[crystal] else ""
    return _Peak(crystal, axis1, axis0, radius, STATUS_COLOURS[status], text)


def _peaks(contents: ReportContents) -> list[_Peak]:
    from napari_petlut.maps.neighbours import nearest_distances

    nearest = nearest_distances(contents.lattice.positions)
    radii = np.round(np.clip(0.3 * nearest, 0.0, 0.22 * _pitch(contents)), 1).tolist()
    present = contents.geometry.present.ravel()
    return [_peak(contents, crystal, radius) for crystal, radius in enumerate(radii) if present[crystal]]


def _statuses(contents: ReportContents) -> list[tuple[str, str, int]]:
    numbers = {status: int((contents.lattice.status == status).sum()) for status in STATUS_COLOURS}
    return [(str(s), colour, numbers[s]) for s, colour in STATUS_COLOURS.items() if numbers[s]]


def _gradient() -> str:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return ", ".join(to_hex(colormaps[FIGURE_COLOURS](share)) for share in np.linspace(0, 1, 9))


def _shown_crystal(contents: ReportContents, see: CrystalToSee) -> _ShownCrystal:
    row, col, height, width = crop_box(
        contents.ids, see.crystal, contents.lattice.positions[see.crystal], _pitch(contents)
    )
    part = np.s_[row : row + height, col : col + width]
    # The crystal's own cell with a rim of one pixel, so that its border closes at the map's edge as well.
    own = np.pad(contents.ids[part] == see.crystal, 1)
    spectrum = contents.crystal_spectra.get(see.crystal)
    return _ShownCrystal(
        see,
        col,
        row,
        width,
        height,
        f"{col} {row} {width} {height}",
        png_of_counts(contents.flood.counts[part]),
        border_path(contents.ids[part], at=(row, col)),
        border_path(own, at=(row - 1, col - 1)),
        _peak(contents, see.crystal, round(width / 40, 2)),
        None if spectrum is None else spectrum_shape(spectrum, 220, 92),
        [(figure.title, figure.text(float(figure.values[see.crystal]))) for figure in contents.mapped],
    )


@dataclass(frozen=True)
class _TableRow:
    crystal: int
    row: int
    col: int
    status: str
    numbers: list[str]


def _table(contents: ReportContents) -> list[_TableRow]:
    columns = [
        [figure.text(value, unit=False) for value in figure.values.tolist()] for figure in contents.tabled
    ]
    cols = contents.geometry.cols
    return [
        _TableRow(i, i // cols, i % cols, str(contents.lattice.status[i]), [column[i] for column in columns])
        for i in np.flatnonzero(contents.geometry.present).tolist()
    ]
