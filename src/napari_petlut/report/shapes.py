"""Maps, borders and spectra as the web page draws them: PNG data, SVG paths, colours."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_petlut.maps.display import brightest
from napari_petlut.model import EnergyWindow, FloatArray, LabelArray
from napari_petlut.report.contents import CrystalFigure, CrystalSpectrum
from napari_petlut.report.picture import cell_outlines

FLOOD_COLOURS = "inferno"
FIGURE_COLOURS = "viridis"
UNKNOWN_COLOUR = "#d9d9d9"
SPECTRUM_STEPS = 320
"""A drawn spectrum has about this many steps."""


def png_of_counts(counts: FloatArray) -> str:
    """Return a map as the data of a PNG picture, one pixel for one, in base64; same counts, same text."""
    from matplotlib import colormaps
    from PIL import Image

    scaled = np.clip(counts / max(brightest(counts), 1e-300), 0, 1)
    palette = (colormaps[FLOOD_COLOURS](np.arange(256), bytes=True)[:, :3]).ravel().tolist()
    picture = Image.fromarray((255 * scaled).round().astype(np.uint8), mode=None)
    picture = picture.convert("P")
    picture.putpalette(palette)
    file = BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def border_path(labels: npt.ArrayLike, *, at: tuple[int, int] = (0, 0)) -> str:
    """Return the borders between cells as an SVG path; pixel (i, j) covers [j, j + 1) x [i, i + 1).

    Parameters
    ----------
    labels : array_like of int, shape (n0, n1)
    at : tuple of int
        Where the first pixel of `labels` lies.
    """
    segments = np.rint(cell_outlines(labels) + 0.5).astype(int) + np.array(at)
    parts = []
    for (y0, x0), (y1, x1) in segments.tolist():
        parts.append(f"M{x0} {y0}V{y1}" if x0 == x1 else f"M{x0} {y0}H{x1}")
    return "".join(parts)


@dataclass(frozen=True)
class Tile:
    """One crystal in a map over the crystal array."""

    crystal: int
    row: int
    col: int
    colour: str
    text: str


@dataclass(frozen=True, eq=False)
class FigureMap:
    """A figure drawn over the crystal array.

    Parameters
    ----------
    figure : CrystalFigure
    tiles : tuple of Tile
    low, middle, high : str
        Ends of the colour scale and the block's median, as people read them; an end that values lie beyond
        says so.
    """

    figure: CrystalFigure
    tiles: tuple[Tile, ...]
    low: str
    middle: str
    high: str


def colour_limits(values: FloatArray) -> tuple[float, float]:
    """Return the ends of a colour scale: all values, but for outliers that would flatten the rest.

    Outliers lie farther from the quartiles than three times their distance (Tukey's outer fences).
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    first, third = np.percentile(known, (25, 75))
    reach = 3 * float(third - first)
    if reach > 0:
        low, high = max(low, float(first) - reach), min(high, float(third) + reach)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def figure_map(figure: CrystalFigure, cols: int) -> FigureMap:
    """Return a figure as coloured tiles, one for each crystal."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    low, high = figure.limits or colour_limits(figure.values)
    share = np.clip((figure.values - low) / (high - low), 0, 1)
    colours = colormaps[FIGURE_COLOURS](np.nan_to_num(share))
    tiles = []
    for crystal, value in enumerate(figure.values.tolist()):
        row, col = divmod(crystal, cols)
        colour = to_hex(colours[crystal]) if not np.isnan(value) else UNKNOWN_COLOUR
        text = f"crystal {crystal} ({row}, {col}): {figure.text(value)}"
        tiles.append(Tile(crystal, row, col, colour, text))
    known = figure.known
    middle = float(np.median(known)) if known.size else np.nan
    below = "≤ " if known.size and known.min() < low else ""
    above = "≥ " if known.size and known.max() > high else ""
    return FigureMap(
        figure,
        tuple(tiles),
        below + figure.text(low, unit=False),
        figure.text(middle),
        above + figure.text(high),
    )


@dataclass(frozen=True)
class SpectrumShape:
    """A spectrum as an SVG path in a box of `width` x `height`, with what is marked in it.

    Parameters
    ----------
    path : str
        Filled outline of the counts.
    back : str
        The same of what is drawn behind; empty without it.
    window : tuple of float or None
        Left end and width of the energy window.
    peak : tuple of float or None
        Place of the photopeak; left end, width and height of the bar of its full width at half maximum.
    curve : str
        Path of the fitted curve; empty without one.
    ticks : tuple of (float, str)
        Places and texts of the energy axis.
    top : str
        Counts at the upper end.
    """

    width: float
    height: float
    path: str
    back: str
    window: tuple[float, float] | None
    peak: tuple[float, float, float, float] | None
    curve: str
    ticks: tuple[tuple[float, str], ...]
    top: str


@dataclass(frozen=True, eq=False)
class DrawnSpectrum:
    """A spectrum in steps, as page and paper draw it.

    Parameters
    ----------
    edges : ndarray of float64, shape (n + 1,)
        In channels.
    front : ndarray of float64, shape (n,)
        Events per channel of the core, or of all counts without one.
    back : ndarray of float64, shape (n,), or None
        All counts to the core's number of events; None without a core.
    top : float
        Height to draw, in events per channel.
    half : float
        Half the height of the photopeak, where its width is drawn.
    """

    edges: FloatArray
    front: FloatArray
    back: FloatArray | None
    top: float
    half: float


def drawn_spectrum(spectrum: CrystalSpectrum) -> DrawnSpectrum:
    """Return a spectrum in steps.

    The lowest channels hold noise that would flatten the rest: the height is that of what lies above an
    eighth of the scale.
    """
    counts = np.asarray(spectrum.counts if spectrum.core is None else spectrum.core, np.float64)
    edges = _step_edges(counts, spectrum.window)
    front, back = per_channel(counts, edges), None
    if spectrum.core is not None:
        back = per_channel(spectrum.counts, edges) * counts.sum() / max(spectrum.counts.sum(), 1)
    shown = edges[:-1] >= edges[-1] / 8
    levels = front[shown] if back is None else np.concatenate([front[shown], back[shown]])
    curve = () if spectrum.curve is None else spectrum.curve[1]
    top = 1.12 * max(levels.max(initial=1e-9), np.max(curve, initial=0.0))
    half = np.max(curve) / 2 if len(curve) else top / 2.24
    return DrawnSpectrum(edges.astype(np.float64), front, back, float(top), float(half))


def _step_edges(counts: FloatArray, window: EnergyWindow | None) -> npt.NDArray[np.intp]:
    """Return where the steps of a drawn spectrum begin and end, in whole channels."""
    filled = np.flatnonzero(np.cumsum(counts) <= 0.995 * max(counts.sum(), 1.0))
    last = int(filled[-1]) + 2 if filled.size else 1
    if window is not None and np.isfinite(window.high):
        last = max(last, min(int(1.3 * window.high), counts.size))
    last = min(max(last, 64), counts.size)
    total = counts[:last].sum()
    # Few events: wider steps, so that the peak is seen and not the noise.
    step = max(1, round(last / SPECTRUM_STEPS), round(last / max(total / 12, 24)))
    return np.unique(np.arange(0, last + step, step).clip(max=counts.size))


def per_channel(counts: npt.ArrayLike, edges: npt.NDArray[Any]) -> FloatArray:
    """Return the mean counts per channel between edges in whole channels."""
    cumulative = np.concatenate([[0.0], np.cumsum(np.asarray(counts, np.float64))])
    return np.asarray(np.diff(cumulative[edges.astype(np.intp)]) / np.diff(edges), np.float64)


def spectrum_shape(spectrum: CrystalSpectrum, width: float = 400.0, height: float = 150.0) -> SpectrumShape:
    """Return a spectrum ready to be drawn as SVG."""
    drawn = drawn_spectrum(spectrum)
    edges, top, right = drawn.edges, drawn.top, drawn.edges[-1]

    def x(channel: float) -> float:
        return round(float(width * min(max(channel / right, 0.0), 1.0)), 2)

    def y(level: float) -> float:
        return round(height * (1 - min(level / top, 1.0)), 2)

    def outline(levels: FloatArray) -> str:
        steps = [f"V{y(level):g}H{x(edge):g}" for level, edge in zip(levels, edges[1:], strict=True)]
        return f"M0 {height:g}" + "".join(steps) + f"V{height:g}Z"

    window = peak = None
    if spectrum.window is not None:
        window = x(spectrum.window.low), x(spectrum.window.high) - x(spectrum.window.low)
    if spectrum.peak is not None:
        half = spectrum.peak.fwhm / 2
        left = x(spectrum.peak.position - half)
        peak = x(spectrum.peak.position), left, x(spectrum.peak.position + half) - left, y(drawn.half)
    curve = ""
    if spectrum.curve is not None:
        curve = "M" + "L".join(f"{x(c):g} {y(level):g}" for c, level in zip(*spectrum.curve, strict=True))
    ticks = tuple((x(channel), f"{channel:g}") for channel in _ticks(right))
    back = "" if drawn.back is None else outline(drawn.back)
    return SpectrumShape(width, height, outline(drawn.front), back, window, peak, curve, ticks, f"{top:,.3g}")


def _ticks(last: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    return [float(t) for t in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, last) if t <= last]


def crop_box(ids: LabelArray, crystal: int, position: FloatArray, pitch: float) -> tuple[int, int, int, int]:
    """Return first row, first column, rows and columns of the part of the map that shows a crystal.

    Square where the map allows: the crystal's cell with half a pitch around it, or three pitches around its
    peak if it has no cell.
    """
    rows, cols = np.nonzero(ids == crystal)
    centre, half = np.asarray(position, np.float64), 1.5 * pitch
    if rows.size:
        low, high = np.array([rows.min(), cols.min()]), np.array([rows.max(), cols.max()])
        centre, half = (low + high) / 2, max(half, float((high - low).max()) / 2 + 0.6 * pitch)
    side = np.minimum(int(np.ceil(2 * half)), ids.shape)
    first = np.clip(np.rint(centre - side / 2).astype(int), 0, np.array(ids.shape) - side)
    return int(first[0]), int(first[1]), int(side[0]), int(side[1])
