"""Pictures of a result, drawn without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_petlut.errors import printable
from napari_petlut.formats._files import atomic_write
from napari_petlut.maps.display import brightest
from napari_petlut.model import PeakStatus

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_petlut.geometry import BlockGeometry
    from napari_petlut.model import EnergyWindow, FloatArray, FloodMap, LabelArray, Lattice
    from napari_petlut.workflow.calibration import Calibration

STATUS_COLOURS: dict[str, str] = {
    PeakStatus.FOUND: "#2ee56b",
    PeakStatus.INFERRED: "#35c7ff",
    PeakStatus.MANUAL: "#ff5cf4",
    PeakStatus.SUSPECT: "#ff9d1e",
    PeakStatus.MISSING: "#ff3b30",
}
"""One colour per status, the same as in napari; legible on dark and on bright parts of the map."""

MAP_PLACE, BAR_PLACE, SPECTRUM_PLACE = (
    (0.65, 1.1, 10.85, 10.85),
    (11.8, 3.1, 0.34, 6.85),
    (13.65, 1.1, 4.1, 10.85),
)
"""Where the map, its colours and the spectrum are: left and bottom, width and height in inches."""


def cell_outlines(labels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the borders between cells as line segments along pixel edges.

    Parameters
    ----------
    labels : array_like of int, shape (n0, n1)
        Crystal id of each pixel.

    Returns
    -------
    ndarray of float64, shape (k, 2, 2)
        Segments from one end to the other, each end as (axis 0, axis 1); pixel centres are at integers.

    Examples
    --------
    >>> cell_outlines([[0, 1], [0, 1]]).tolist()
    [[[-0.5, 0.5], [1.5, 0.5]]]
    """
    labels = np.asarray(labels)
    across = _runs(labels[:, 1:] != labels[:, :-1])
    along = _runs((labels[1:] != labels[:-1]).T)[:, :, ::-1]
    return np.concatenate([across, along])


def _runs(border: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return unbroken runs of `border` down each column j as segments at axis 1 = j + 0.5."""
    padded = np.pad(border, ((1, 1), (0, 0))).astype(np.int8)
    change = np.diff(padded, axis=0).T
    column, first = np.nonzero(change == 1)
    _, last = np.nonzero(change == -1)
    middle = column + 0.5
    return np.stack(
        [np.stack([first - 0.5, middle], axis=-1), np.stack([last - 0.5, middle], axis=-1)], axis=1
    ).astype(np.float64)


def draw_block(
    flood: FloodMap,
    lattice: Lattice,
    labels: LabelArray,
    window: EnergyWindow | None = None,
    *,
    title: str = "",
) -> Figure:
    """Draw a calibrated block: flood map, peaks, cell borders, crystal numbers, and the energy spectrum.

    Parameters
    ----------
    flood : FloodMap
    lattice : Lattice
    labels : ndarray of int32, shape (n0, n1)
        Crystal id of each pixel, -1 for "no crystal".
    window : EnergyWindow, optional
        Shaded in the spectrum.
    title : str
        Headline of the picture.

    Returns
    -------
    matplotlib.figure.Figure
        18 inches wide where there is a spectrum beside the map, 13 otherwise.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    has_spectrum = flood.spectrum is not None and bool(flood.spectrum.any())
    width, height = size = (18, 12.6) if has_spectrum else (13, 12.6)
    # Every place is known: to let the drawing library find them takes a third of the time of the picture.
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    map_axes, bar_axes = (
        figure.add_axes((left / width, bottom / height, across / width, up / height))
        for left, bottom, across, up in (MAP_PLACE, BAR_PLACE)
    )
    _draw_map(map_axes, bar_axes, flood, labels)
    _draw_peaks(map_axes, lattice, flood.shape)
    if has_spectrum:
        left, bottom, across, up = SPECTRUM_PLACE
        spectrum_axes = figure.add_axes((left / width, bottom / height, across / width, up / height))
        _draw_spectrum(spectrum_axes, flood, window)
    figure.suptitle(title, y=0.99, fontsize=15, parse_math=False)  # a name may hold dollars
    return figure


def draw_outlines(axes: Axes, segments: FloatArray, colour: str, width: float) -> None:
    """Draw segments, shape (k, 2, 2) as (axis 0, axis 1), as one path: thousands of them take long."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = np.tile([Path.MOVETO, Path.LINETO], len(segments))
    path = Path(segments[..., ::-1].reshape(-1, 2), codes)
    # No `add_patch`, which would look at each end for the limits of the axes; the callers set these.
    axes.add_artist(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, alpha=0.8))


def _draw_map(axes: Axes, bar_axes: Axes, flood: FloodMap, labels: LabelArray) -> None:
    end = brightest(flood.counts)
    image = axes.imshow(flood.counts, cmap="inferno", vmin=0, vmax=end, interpolation="nearest")
    draw_outlines(axes, cell_outlines(labels), "#7fd1ff", 0.6)
    axes.set_xlabel("axis 1 (detector y), px")
    axes.set_ylabel("axis 0 (detector x), px")
    axes.figure.colorbar(image, cax=bar_axes, label="counts per pixel")


def _draw_peaks(axes: Axes, lattice: Lattice, shape: tuple[int, int]) -> None:
    from matplotlib.transforms import offset_copy

    pitch = np.sqrt(shape[0] * shape[1] / lattice.geometry.crystals)
    size = float(np.clip(180 * pitch / max(shape), 3.0, 9.0))
    figure = axes.get_figure(root=True)
    beside = offset_copy(axes.transData, figure, 2, 2, units="points")
    numbers = lattice.geometry.numbers
    for status, colour in STATUS_COLOURS.items():
        chosen = np.flatnonzero(lattice.status == status)
        if chosen.size:
            at = lattice.positions[chosen]
            axes.plot(
                at[:, 1],
                at[:, 0],
                "+",
                color=colour,
                markersize=size,
                markeredgewidth=0.8,
                label=f"{status} {chosen.size}",
            )
            for crystal, (axis0, axis1) in zip(chosen.tolist(), at, strict=True):
                axes.text(
                    axis1, axis0, str(numbers[crystal]), transform=beside, color=colour, fontsize=size * 0.62
                )
    if len(lattice.extra):
        at = lattice.extra
        axes.plot(at[:, 1], at[:, 0], "x", color="#c77dff", label=f"extra {len(at)}")
    axes.set_xlim(-0.5, shape[1] - 0.5)
    axes.set_ylim(shape[0] - 0.5, -0.5)
    # Below the map and its label, where it hides nothing; dark, because found crystals are white.
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=offset_copy(axes.transAxes, figure, 0, -0.65, units="inches"),
        ncols=6,
        fontsize=10,
        facecolor="#222222",
        labelcolor="white",
    )


def _draw_spectrum(axes: Axes, flood: FloodMap, window: EnergyWindow | None) -> None:
    spectrum = flood.spectrum
    assert spectrum is not None
    last = int(np.flatnonzero(spectrum)[-1]) + 1
    # The lowest channels hold noise that would flatten the rest.
    top = spectrum[min(50, last // 4) : last].max(initial=1)
    axes.step(np.arange(last), spectrum[:last], where="mid", color="#333333", linewidth=0.8)
    axes.set(xlim=(0, last), ylim=(0, 1.15 * top), title="Energy spectrum")
    axes.set(xlabel="energy, ADC channels", ylabel="events")
    if window is not None:
        axes.axvspan(window.low, window.high, color="#4cc9f0", alpha=0.25, label=str(window))
        axes.legend(loc="upper right", fontsize=9)


def write_picture(path: Path, result: Calibration, *, overwrite: bool = False) -> None:
    """Draw a calibration into a PNG file; the same calibration gives the same bytes.

    Raises
    ------
    FormatError
        If the file exists and `overwrite` is off, or cannot be written.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    title = block_title(result.geometry, result.lattice, result.stem)

    def save(file: BinaryIO) -> None:
        # Drawn once, by the canvas itself: saving a figure draws all of it twice, first for its layout only.
        # The default metadata names the drawing library's version and would change with it.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(file, metadata={"Software": None})

    # The same whatever a person has set up for their own figures.
    with style.context("default"):
        figure = draw_block(result.flood, result.lattice, result.lut.ids, result.flood.window, title=title)
        atomic_write(path, save, overwrite=overwrite)


def block_title(geometry: BlockGeometry, lattice: Lattice, source: str) -> str:
    """Return the headline of a block's picture, for example "block_07: 256 of 256 crystals, 3 to look at"."""
    missing = int((lattice.status == PeakStatus.MISSING).sum())
    suspect = int((lattice.status == PeakStatus.SUSPECT).sum())
    text = f"{printable(source)}: {geometry.crystals - missing} of {geometry.crystals} crystals"
    return text + (f", {suspect} to look at" if suspect else "") + (f", {missing} missing" if missing else "")
