"""Files as other people have them, made here: what opens, by which command, how many crystals are right."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from _common import Report, main
from _foreign_events import NEAR, event_rows
from napari_petlut.errors import PetlutError
from napari_petlut.formats.identification import Hints, describe, identify
from napari_petlut.formats.map_kinds import map_reading
from napari_petlut.formats.map_layout import MapLayout, map_layout_of_text
from napari_petlut.geometry import BlockGeometry
from napari_petlut.simulation import BlockSimulation, SimulatedBlock, simulate_block
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.pipeline import calibrate
from napari_petlut.workflow.scoring import score_lattice

GEOMETRY = BlockGeometry(8, 12)
ROWS_AND_COLS = f"--rows {GEOMETRY.rows} --cols {GEOMETRY.cols}"
SMALL = 4
"""Maps in text have pixels of this many pixels a side."""


@dataclass(frozen=True)
class Foreign:
    """A file of somebody else.

    Parameters
    ----------
    name : str
    write : callable
        Writes it.
    options : str
        What is told on the command line beside rows and columns.
    layout : MapLayout
        The same as a value.
    small : int
        Pixels of the block's map along one of this file's pixels.
    origin : tuple of int
        Where the block's map begins in the picture, if it is a figure.
    """

    name: str
    write: Callable[[Path], Any]
    options: str = ""
    layout: MapLayout = field(default_factory=MapLayout)
    small: int = 1
    origin: tuple[int, int] | None = None


def containers(counts: np.ndarray) -> list[Foreign]:
    """Return files with one array each, of formats that name themselves."""
    import h5py
    import scipy.io
    import tifffile
    import uproot
    from astropy.io import fits
    from PIL import Image

    edges = np.arange(counts.shape[0] + 1.0)

    def write_h5(path: Path, **options: Any) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("run/flood", data=counts, **options)

    def write_mat73(path: Path) -> None:
        with h5py.File(path, "w", userblock_size=512) as file:
            file["flood"] = counts.T
            file["flood"].attrs["MATLAB_class"] = np.bytes_("uint32")
        with path.open("r+b") as handle:
            handle.write(b"MATLAB 7.3 MAT-file")

    def write_root(path: Path) -> None:
        with uproot.recreate(path) as file:
            file["flood"] = (counts.astype(float), edges, edges)

    grey = (counts * (255 / counts.max())).round().astype(np.uint8)
    return [
        Foreign("integers.npy", lambda p: np.save(p, counts.astype(np.uint32))),
        Foreign("archive.npz", lambda p: np.savez_compressed(p, flood=counts, edges=edges)),
        Foreign("v5.mat", lambda p: scipy.io.savemat(p, {"floodMap": counts}, do_compression=True)),
        Foreign("v73.mat", write_mat73),
        Foreign("map.h5", lambda p: write_h5(p, compression="gzip")),
        Foreign("map.fits", lambda p: fits.PrimaryHDU(counts.astype(np.int32)).writeto(p)),
        Foreign("th2.root", write_root),
        Foreign("lzw.tif", lambda p: tifffile.imwrite(p, counts.astype(np.uint16), compression="lzw")),
        Foreign("zstd.tif", lambda p: tifffile.imwrite(p, counts.astype(np.uint16), compression="zstd")),
        Foreign("grey.png", lambda p: Image.fromarray(grey).save(p)),
        Foreign("grey.jpg", lambda p: Image.fromarray(grey).save(p, quality=90)),
        Foreign("colours.png", lambda p: Image.fromarray(_coloured(grey, "jet")).save(p)),
        Foreign("colours.tif", lambda p: tifffile.imwrite(p, _coloured(grey, "viridis"), photometric="rgb")),
    ]


def _coloured(grey: np.ndarray, name: str) -> np.ndarray:
    import matplotlib as mpl

    return (mpl.colormaps[name](grey)[..., :3] * 255).round().astype(np.uint8)


def several(counts: np.ndarray) -> list[Foreign]:
    """Return files with more than the block's map: stacks, mosaics, figures, several arrays."""
    import tifffile
    from PIL import Image

    other = counts[::-1, ::-1]
    grey = (counts * (255 / counts.max())).round().astype(np.uint8)
    page = np.full((700, 620, 3), 255, np.uint8)
    page[80:592, 60:572] = _coloured(grey, "hot")
    page[620:630, 100:140] = page[300:310, 20:40] = 0
    stack = np.stack([other, counts, other]).astype(np.uint16)
    mosaic = np.block([[other, other], [other, counts]])
    return [
        Foreign("figure.png", lambda p: Image.fromarray(page).save(p), origin=(80, 60)),
        Foreign(
            "stack.tif",
            lambda p: tifffile.imwrite(p, stack, photometric="minisblack"),
            "--block 1",
            MapLayout(block=(1,)),
        ),
        Foreign(
            "mosaic.raw",
            lambda p: mosaic.astype(">u4").tofile(p),
            "--tiles 2 2 --block 1,1",
            MapLayout(tiles=(2, 2), block=(1, 1)),
        ),
        Foreign("two.npz", lambda p: np.savez(p, a=other, b=counts), "--array-name b", MapLayout(name="b")),
        Foreign(
            "margin.npy",
            lambda p: np.save(p, np.pad(counts, 40)),
            "--crop 40 552 40 552",
            MapLayout(crop=(40, 552, 40, 552)),
        ),
        Foreign("turned.npy", lambda p: np.save(p, counts.T), "--transpose", MapLayout(transposed=True)),
    ]


def headerless(counts: np.ndarray) -> list[Foreign]:
    """Return maps without a header."""
    told = "<f8 512x512 header=12"
    return [
        Foreign("int32.raw", lambda p: counts.astype("<i4").tofile(p)),
        Foreign("uint16.raw", lambda p: counts.astype("<u2").tofile(p)),
        Foreign("big.dat", lambda p: counts.astype(">u4").tofile(p)),
        Foreign("float.bin", lambda p: counts.astype("<f4").tofile(p)),
        Foreign("header.raw", lambda p: p.write_bytes(bytes(128) + counts.astype("<u2").tobytes())),
        Foreign(
            "told.raw",
            lambda p: p.write_bytes(bytes(12) + counts.astype("<f8").tobytes()),
            f'--array "{told}"',
            map_layout_of_text(told),
        ),
    ]


def texts(counts: np.ndarray) -> list[Foreign]:
    """Return maps as text, of larger pixels."""
    n = counts.shape[0] // SMALL
    small = counts.reshape(n, SMALL, n, SMALL).sum(axis=(1, 3)).astype(int)

    def grid(delimiter: str, decimal: str = "", end: str = "") -> str:
        return "".join(delimiter.join(f"{v}{decimal}" for v in row) + end + "\n" for row in small)

    bins = "".join(f"{i},{j},{v}\n" for (i, j), v in np.ndenumerate(small) if v)
    index = "," + ",".join(map(str, range(n))) + "\n"
    indexed = index + "".join(f"{i}," + ",".join(map(str, row)) + "\n" for i, row in enumerate(small))
    contents = {
        "decimal comma.csv": grid(";", ",00").encode(),
        "semicolons.csv": grid(";", end=";").encode(),
        "header.csv": (",".join(f"x{k}" for k in range(n)) + "\n" + grid(",")).encode(),
        "index.csv": indexed.encode(),
        "utf16.csv": grid("\t").encode("utf-16"),
        "list with header.csv": ("x,y,counts\n" + bins).encode(),
        "list.txt": bins.replace(",", " ").encode(),
    }
    return [
        Foreign(name, lambda p, content=content: p.write_bytes(content), small=SMALL)
        for name, content in contents.items()
    ]


def no_counts(counts: np.ndarray) -> list[Foreign]:
    """Return maps with values that are no counts."""
    below = counts - 0.02 * np.random.default_rng(1).random(counts.shape) * (counts == 0)
    return [
        Foreign("nan.npy", lambda p: np.save(p, np.where(counts > 0, counts, np.nan))),
        Foreign("background.npy", lambda p: np.save(p, below)),
    ]


def row_of(folder: Path, foreign: Foreign, block: SimulatedBlock) -> dict[str, Any]:
    """Return what becomes of one file."""
    path = folder / foreign.name
    foreign.write(path)
    parameters = CalibrationParameters(map_layout=foreign.layout)
    found: dict[str, Any] = {
        "file": foreign.name,
        "command": " ".join(filter(None, ["petlut calibrate", foreign.name, ROWS_AND_COLS, foreign.options])),
    }
    try:
        file = identify(path, Hints(map_layout=foreign.layout))
        facts = describe(file)
        size = " x ".join(map(str, facts.get("pixels", ())))
        result = calibrate(path, GEOMETRY, parameters)
    except PetlutError as error:
        return found | {"opened as": f"refused: {error}", "crystals right": "-", "said": ""}
    lattice = result.lattice
    places = (lattice.positions + 0.5) * foreign.small - 0.5
    crop = result.parameters.map_layout.crop
    if foreign.origin is not None and crop is not None:
        places += np.array((crop[0], crop[2])) - foreign.origin
    score = score_lattice(replace(lattice, positions=places), block.centres, block.live)
    return found | {
        "opened as": f"{file.kind.words}, {size}",
        "crystals right": f"{int(score.right.sum())} of {int(score.live.sum())}",
        "said": "; ".join(map_reading(file).notes),
    }


def run(quick: bool) -> Report:
    """Make files of every kind of one simulated block, open and calibrate them."""
    report = Report("foreign", "Files as other people have them")
    block = simulate_block(BlockSimulation(rows=GEOMETRY.rows, cols=GEOMETRY.cols, seed=3))
    counts = block.flood.counts
    groups = {
        "Maps in files that say what they are": containers(counts),
        "Several arrays, blocks, or a figure": several(counts),
        "Maps without a header": headerless(counts),
        "Maps as text": texts(counts),
        "Values that are no counts": no_counts(counts),
    }
    report.table("Events", event_rows(quick))
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for title, files in groups.items():
            taken = files[:2] if quick else files
            report.table(title, [row_of(Path(name), foreign, block) for foreign in taken])
    report.note(f"Of events, right is within {NEAR:g} of 512 pixels.")
    report.note(
        "All maps show the same simulated block of 8 x 12 crystals; text has pixels of 4 x 4 of its pixels."
    )
    return report


if __name__ == "__main__":
    main(run)
