"""The report as a PDF file, for printing and for the archive."""

from __future__ import annotations

import json
import textwrap
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_petlut.maps.display import brightest
from napari_petlut.report.contents import (
    LINE_TITLES,
    LINES_NOTE,
    CrystalFigure,
    CrystalSpectrum,
    CrystalToSee,
    ReportContents,
    heading,
    how_it_was_made,
    subtitle,
)
from napari_petlut.report.picture import STATUS_COLOURS, cell_outlines, draw_outlines
from napari_petlut.report.shapes import (
    FIGURE_COLOURS,
    FLOOD_COLOURS,
    UNKNOWN_COLOUR,
    colour_limits,
    crop_box,
    drawn_spectrum,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

A4 = (8.27, 11.69)
VERDICT_COLOURS = {"pass": "#1a7f4b", "review": "#b35c00", "fail": "#c0262d"}
BORDERS = "#7fd1ff"
INK, SOFT, PEAK, WINDOW, COUNTS, RIM = "#1d2430", "#5c6675", "#c0262d", "#0b6bcb", "#8fa3bd", "#d3dbe6"
MAPS_A_PAGE, CRYSTALS_A_PAGE, LINES_A_PAGE = 9, 4, 96
ROWS_A_PAGE = 72
LINE_WIDTHS = (6, 8, 7, 7, 9, 10, 12)
"""Characters of each column of the tables by row and column."""
FACT_STEP = 0.0125
"""From one line of facts to the next, as a share of the page."""


def write_pdf(file: BinaryIO, contents: ReportContents) -> None:
    """Write the report as A4 pages into an open file; the same contents give the same bytes."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages

    # The usual metadata hold the time and the drawing library's version, and would change with them.
    metadata = {
        "Title": heading(contents),
        "CreationDate": None,
        "Producer": None,
        "Creator": "napari-petlut",
    }
    with _style(), warnings.catch_warnings(), PdfPages(file, metadata=metadata) as pdf:
        # A name in letters that the font lacks is drawn as boxes, which is no reason to stop or to talk.
        warnings.filterwarnings("ignore", "Glyph")
        for page in draw_pages(contents):
            # By the canvas itself: saving a figure draws all of it twice, first for its layout only.
            canvas: Any = FigureCanvasPdf(page)
            canvas.print_pdf(pdf)


def draw_pages(contents: ReportContents) -> list[Figure]:
    """Draw the report as figures of the size of A4 pages."""
    with _style():
        pages = list(_pages(contents))
        for number, page in enumerate(pages, 1):
            page.text(0.07, 0.025, heading(contents), fontsize=7, color=SOFT)
            page.text(0.93, 0.025, f"{number} / {len(pages)}", fontsize=7, color=SOFT, ha="right")
    return pages


def _style() -> AbstractContextManager[None]:
    """Return a context that draws the same whatever a person has set up for their own figures."""
    from matplotlib import style

    return style.context(["default", _STYLE])


_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": SOFT,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
}


def _pages(contents: ReportContents) -> Iterator[Figure]:
    yield _first_page(contents)
    mapped = contents.mapped
    for first in range(0, len(mapped), MAPS_A_PAGE):
        yield _maps_page(contents, mapped[first : first + MAPS_A_PAGE])
    yield from _line_pages(contents)
    for first in range(0, len(contents.to_see), CRYSTALS_A_PAGE):
        yield _crystals_page(contents, contents.to_see[first : first + CRYSTALS_A_PAGE])
    yield from _record_pages(contents)


def _page(heading: str = "") -> Figure:
    from matplotlib.figure import Figure

    page = Figure(figsize=A4)
    if heading:
        page.text(0.07, 0.955, heading, fontsize=13, fontweight="bold", va="top")
    return page


def _first_page(contents: ReportContents) -> Figure:
    page = _page()
    page.text(0.07, 0.96, heading(contents), fontsize=17, fontweight="bold", va="top")
    page.text(0.07, 0.934, subtitle(contents), fontsize=9, color=SOFT, va="top")
    if contents.verdict:
        box = {"facecolor": VERDICT_COLOURS.get(contents.verdict, SOFT), "edgecolor": "none", "pad": 6}
        page.text(
            0.92, 0.953, contents.verdict, fontsize=13, fontweight="bold", color="white", ha="right", va="top"
        ).set_bbox(box)
    lines = [*contents.verdict_reasons, *contents.warnings]
    wrapped = _listed(lines, 122)
    page.text(0.07, 0.912, "\n".join(wrapped[:12]), fontsize=8, va="top", linespacing=1.4)
    top = 0.902 - 0.0125 * min(len(wrapped), 12)
    facts = sum(1 for fact in contents.facts if fact.text)
    # As large as the text leaves room for; in shares of a page that is no square.
    height = min(0.8 * A4[0] / A4[1], top - 0.18 - max(FACT_STEP * facts, 0.13))
    width = height * A4[1] / A4[0]
    axes = page.add_axes((0.51 - width / 2, top - 0.012 - height, width, height))
    _draw_flood(axes, contents)
    _draw_facts(page, contents, top - height - 0.095)
    return page


def _draw_flood(axes: Axes, contents: ReportContents) -> None:
    counts, lattice = contents.flood.counts, contents.lattice
    axes.imshow(counts, cmap=FLOOD_COLOURS, vmin=0, vmax=brightest(counts), interpolation="none")
    draw_outlines(axes, cell_outlines(contents.ids), BORDERS, 0.35)
    for status, colour in STATUS_COLOURS.items():
        at = lattice.positions[lattice.status == status]
        if len(at):
            label = f"{len(at)} {status}"
            axes.plot(at[:, 1], at[:, 0], "+", color=colour, ms=3.5, mew=0.6, label=label)
    axes.set(xlim=(-0.5, counts.shape[1] - 0.5), ylim=(counts.shape[0] - 0.5, -0.5))
    axes.set(xlabel="axis 1 (detector y), px", ylabel="axis 0 (detector x), px")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.085),
        ncols=5,
        fontsize=7,
        frameon=True,
        facecolor="#444",
        labelcolor="white",
        edgecolor="none",
    )


def _draw_facts(page: Figure, contents: ReportContents, top: float) -> None:
    for k, fact in enumerate(fact for fact in contents.facts if fact.text):
        y = top - FACT_STEP * k
        page.text(0.07, y, fact.title, fontsize=7.5, color=SOFT, va="top")
        page.text(0.47, y, fact.text, fontsize=7.5, va="top", ha="right")
    if contents.spectrum is not None:
        axes = page.add_axes((0.55, 0.085, 0.37, max(top - 0.105, 0.08)))
        axes.set_title("Energy spectrum")
        draw_spectrum(axes, contents.spectrum)
    note = "\n".join(part for line in contents.left_out for part in textwrap.wrap(line, 60))
    page.text(0.07, 0.05, note, fontsize=7, color=SOFT, va="bottom")


def draw_spectrum(axes: Axes, spectrum: CrystalSpectrum) -> None:
    """Draw a spectrum with its window and photopeak."""
    drawn = drawn_spectrum(spectrum)
    if drawn.back is not None:
        axes.stairs(drawn.back, drawn.edges, fill=True, color=RIM)
    axes.stairs(drawn.front, drawn.edges, fill=True, color=COUNTS)
    axes.set(xlim=(0, drawn.edges[-1]), ylim=(0, drawn.top), yticks=[], xlabel="energy, ADC channels")
    axes.spines[["top", "right", "left"]].set_visible(False)
    if spectrum.window is not None:
        axes.axvspan(spectrum.window.low, spectrum.window.high, color=WINDOW, alpha=0.12, linewidth=0)
    if spectrum.peak is not None:
        axes.axvline(spectrum.peak.position, color=PEAK, linewidth=0.8)
        ends = [spectrum.peak.position + side * spectrum.peak.fwhm / 2 for side in (-1, 1)]
        axes.plot(ends, [drawn.half, drawn.half], color=PEAK, linewidth=2, alpha=0.75, solid_capstyle="butt")
    if spectrum.curve is not None:
        axes.plot(*spectrum.curve, color=PEAK, linewidth=0.9)


def _maps_page(contents: ReportContents, figures: tuple[CrystalFigure, ...]) -> Figure:
    page = _page("Over the crystal array")
    page.text(
        0.07,
        0.927,
        "Crystal (0, 0) is at the top left, rows run down. Grey: no value.",
        fontsize=8,
        color=SOFT,
        va="top",
    )
    for k, figure in enumerate(figures):
        row, col = divmod(k, 3)
        left, top = 0.07 + 0.3 * col, 0.895 - 0.288 * row
        middle = figure.text(float(np.median(figure.known)))
        note = "\n".join(textwrap.wrap(figure.note, 46)[:2])
        page.text(left, top, figure.title, fontsize=9, fontweight="bold", va="top")
        page.text(left + 0.26, top, f"median {middle}", fontsize=7, color=SOFT, ha="right", va="top")
        page.text(left, top - 0.016, note, fontsize=6.2, color=SOFT, va="top", linespacing=1.2)
        axes = page.add_axes((left, top - 0.225, 0.26, 0.26 * A4[0] / A4[1]))
        _draw_tiles(axes, page.add_axes((left, top - 0.237, 0.26, 0.006)), figure, contents.geometry.shape)
    return page


def _draw_tiles(axes: Axes, scale: Axes, figure: CrystalFigure, shape: tuple[int, int]) -> None:
    """Draw a figure over the crystal array, and its colour scale."""
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    low, high = figure.limits or colour_limits(figure.values)
    image = axes.imshow(
        np.ma.masked_invalid(figure.values.reshape(shape)),
        cmap=colormaps[FIGURE_COLOURS].with_extremes(bad=UNKNOWN_COLOUR),
        vmin=low,
        vmax=high,
        interpolation="none",
    )
    axes.set_axis_off()
    bar = scale.figure.colorbar(image, cax=scale, orientation="horizontal", ticks=MaxNLocator(4))
    bar.outline.set_visible(False)
    scale.tick_params(length=2, width=0.5, labelsize=6)
    if figure.unit:
        bar.set_label(figure.unit, fontsize=6.5, labelpad=1)


def _line_pages(contents: ReportContents) -> Iterator[Figure]:
    """Draw k and PVR by row on the left, by column on the right."""
    tables = [[row for row in contents.lines if row.line == line] for line in ("row", "column")]
    for first in range(0, max(map(len, tables)), ROWS_A_PAGE):
        page = _page("By row and column")
        note = "\n".join(textwrap.wrap(LINES_NOTE, 112))
        page.text(0.07, 0.927, note, fontsize=8, color=SOFT, va="top", linespacing=1.3)
        for left, line, rows in zip((0.07, 0.52), ("row", "column"), tables, strict=True):
            shown = rows[first : first + ROWS_A_PAGE]
            cells = [(line, *LINE_TITLES.values()), *((str(row.number), *row.texts) for row in shown)]
            text = "\n".join(
                "".join(cell.rjust(width) for cell, width in zip(row, LINE_WIDTHS, strict=True))
                for row in cells
            )
            page.text(left, 0.885, text, fontsize=6.2, family="DejaVu Sans Mono", va="top", linespacing=1.5)
        yield page


def _crystals_page(contents: ReportContents, crystals: tuple[CrystalToSee, ...]) -> Figure:
    page = _page("Crystals to look at")
    for k, see in enumerate(crystals):
        top = 0.905 - 0.222 * k
        page.text(
            0.07,
            top,
            f"Crystal {see.crystal}, row {see.row}, column {see.col}, {see.status}",
            fontsize=9,
            fontweight="bold",
            va="top",
        )
        picture = page.add_axes((0.07, top - 0.185, 0.22, 0.22 * A4[0] / A4[1]))
        _draw_crop(picture, contents, see.crystal)
        spectrum = contents.crystal_spectra.get(see.crystal)
        left = 0.33
        if spectrum is not None:
            draw_spectrum(page.add_axes((0.33, top - 0.16, 0.27, 0.125)), spectrum)
            left = 0.64
        _draw_numbers(page, contents, see, left, top - 0.022)
    return page


def _draw_crop(axes: Axes, contents: ReportContents, crystal: int) -> None:
    lattice = contents.lattice
    pitch = float(np.sqrt(contents.flood.counts.size / lattice.geometry.crystals))
    row, col, height, width = crop_box(contents.ids, crystal, lattice.positions[crystal], pitch)
    part = np.s_[row : row + height, col : col + width]
    counts = contents.flood.counts[part]
    extent = (col - 0.5, col + width - 0.5, row + height - 0.5, row - 0.5)
    axes.imshow(
        counts, cmap=FLOOD_COLOURS, vmin=0, vmax=brightest(counts), extent=extent, interpolation="none"
    )
    own = np.pad(contents.ids[part] == crystal, 1)
    draw_outlines(axes, cell_outlines(contents.ids[part]) + np.array([row, col]), BORDERS, 0.5)
    draw_outlines(axes, cell_outlines(own) + np.array([row - 1, col - 1]), "#ffffff", 1.0)
    at = lattice.positions[crystal]
    axes.plot(at[1], at[0], "+", color=STATUS_COLOURS[str(lattice.status[crystal])], ms=7, mew=1)
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.tick_params(length=2, labelsize=6)


def _draw_numbers(page: Figure, contents: ReportContents, see: CrystalToSee, left: float, top: float) -> None:
    reasons = _listed(see.reasons, 48 if left > 0.5 else 84)
    page.text(left, top, "\n".join(reasons[:7]), fontsize=7, va="top", linespacing=1.3)
    top -= 0.0125 * min(len(reasons), 7) + 0.004
    for k, figure in enumerate(contents.mapped):
        y = top - 0.0118 * k
        page.text(left, y, figure.title, fontsize=7, color=SOFT, va="top")
        value = figure.text(float(figure.values[see.crystal]))
        page.text(left + 0.28, y, value, fontsize=7, va="top", ha="right")


def _record_pages(contents: ReportContents) -> Iterator[Figure]:
    lines = [f"{name}: {value}" for name, value in how_it_was_made(contents.record)] + [""]
    told = ("geometry", "parameters", "fixed_peaks", "inputs")
    shown = {key: value for key, value in contents.record.items() if key in told}
    lines += json.dumps(shown, indent=2, sort_keys=True).splitlines()
    wrapped = [part for line in lines for part in _record_line(line)]
    for first in range(0, len(wrapped), LINES_A_PAGE):
        page = _page("How it was made")
        text = "\n".join(wrapped[first : first + LINES_A_PAGE])
        page.text(0.07, 0.925, text, fontsize=6.2, family="DejaVu Sans Mono", va="top", linespacing=1.25)
        yield page


def _listed(lines: Iterable[str], width: int) -> list[str]:
    """Return lines as a list with a dot before each, wrapped."""
    return [
        part
        for line in lines
        for part in textwrap.wrap(line, width, initial_indent="· ", subsequent_indent="  ")
    ]


def _record_line(line: str) -> list[str]:
    return textwrap.wrap(line, 118, subsequent_indent="    ") or [""]
