"""Commands of `petlut` that use a LUT: energies of its crystals, crystals of the events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_petlut.cli import ending, terminal
from napari_petlut.cli.deriving import Derived, Field
from napari_petlut.cli.options import (
    AsJSON,
    Force,
    Raw,
    Reading,
    ToldBlock,
    WindowOption,
    check_outputs,
    parameters_of,
)
from napari_petlut.errors import ParameterError

if TYPE_CHECKING:
    from napari_petlut.analysis.energy import AppliedLUT, Photopeaks
    from napari_petlut.geometry import BlockGeometry

FEW_CRYSTALS, MOST_CRYSTALS = 8, 20
"""Longer lists of crystals go into the files only."""


@dataclass(frozen=True)
class _LUT:
    """The crystal LUT of the block."""

    lut: Annotated[Path, typer.Option(metavar="L.lut", help="Crystal LUT file of the block.", readable=False)]
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of the LUT file; found out when left out.")
    ] = None

    @property
    def files(self) -> list[Path | str | None]:
        """What is read; an encoding is a file or a name."""
        return [self.lut, self.encoding]


def energy(
    *,
    raw: Raw,
    lut: _LUT,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Energy LUT to write: CSV if so named, else binary.",
            readable=False,
        ),
    ],
    block: ToldBlock,
    window: WindowOption,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Encoding of a binary energy LUT.")] = "cpm",
    reading: Reading,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 unless every photopeak is clear.")
    ] = False,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Fit every crystal's photopeak, and write the energy LUT: the gain that puts each at 511 keV."""
    from napari_petlut.formats.energy_lut import energy_lut_encoding, write_energy_lut

    energy_lut_encoding(to)  # a wrong name is known before the work
    check_outputs([out], [raw, *lut.files, *reading.files, to], force=force)
    events = reading.events(raw)

    from napari_petlut.analysis.energy import energy_lut
    from napari_petlut.workflow.given_lut import calibration_of_lut
    from napari_petlut.workflow.measuring import measure_energy

    with terminal.StepProgress(quiet=as_json) as progress:
        result = calibration_of_lut(
            events,
            lut.lut,
            parameters_of(window, reading),
            encoding=lut.encoding,
            geometry=block.geometry,
            progress=progress,
        )
        energies = measure_energy(result, events, progress=progress.of("energies"))
        assert energies is not None
        peaks = energies.photopeaks
        write_energy_lut(out, energy_lut(peaks, result.geometry), to, overwrite=force)
    _show_photopeaks(peaks, result.geometry, out, as_json=as_json)
    if strict and not peaks.found.all():
        raise typer.Exit(ending.EXIT_DOUBT)


def _show_photopeaks(peaks: Photopeaks, geometry: BlockGeometry, out: Path, *, as_json: bool) -> None:
    from napari_petlut.analysis.photopeak import PHOTOPEAK_MODEL, RESOLUTION_CONVENTION

    figures = {
        "photopeak": peaks.position,
        "photopeak_error": peaks.position_error,
        "energy_resolution": peaks.resolution,
        "energy_resolution_error": peaks.resolution_error,
    }
    if as_json:
        from napari_petlut.formats.plain import plain

        answer = {"rows": geometry.rows, "cols": geometry.cols, "file": out, **figures}
        answer |= {"photopeak_model": PHOTOPEAK_MODEL, "energy_resolution_convention": RESOLUTION_CONVENTION}
        terminal.print_json(plain(answer | {"status": peaks.status, "reason": peaks.reasons}))
        return
    clear = peaks.found
    facts: dict[str, Any] = {"clear photopeaks": f"{int(clear.sum())} of {len(peaks)}"}
    if clear.any():
        position, resolution = peaks.position[clear], peaks.resolution[clear]
        facts["photopeak, mean"] = (
            f"{position.mean():.1f} ch, from {position.min():.1f} to {position.max():.1f}"
        )
        facts["energy resolution, mean"] = f"{100 * resolution.mean():.1f} % ({RESOLUTION_CONVENTION})"
        facts["fitted"] = PHOTOPEAK_MODEL
    terminal.print_facts("Energy", facts)
    doubted = (~clear).nonzero()[0].tolist()
    look = [(i, *divmod(i, geometry.cols), str(peaks.status[i]), peaks.reasons[i]) for i in doubted]
    if look:
        columns = ("crystal", "row", "col", "photopeak", "reason")
        terminal.print_table("To look at", columns, look[:MOST_CRYSTALS])
    if len(look) > MOST_CRYSTALS:
        terminal.print_line(f"and {len(look) - MOST_CRYSTALS} more: --json")
    terminal.print_facts("Written", {"energy LUT": str(out)})


_ANY_WINDOW = Derived(
    "analysis/flood/parameters.py",
    "FloodParameters",
    window=Field(help="Energies kept, in ADC channels; all when left out."),
)


@dataclass(frozen=True)
class _KeV:
    """Energies by an energy LUT."""

    energy_lut: Annotated[
        Path | None,
        typer.Option(metavar="E.csv", help="Energy LUT: energies of the list are in keV.", readable=False),
    ] = None
    kev: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Energies kept, in keV by the energy LUT."),
    ] = None


@dataclass(frozen=True)
class _Written:
    """What `petlut apply` can write."""

    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy", help="Write the list of events: the crystal of each.", readable=False
        ),
    ] = None
    counts: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Write events per crystal as a table.", readable=False),
    ] = None

    def __post_init__(self) -> None:
        if self.out is not None and self.out.suffix.lower() != ".npy":
            wanted = self.out.with_suffix(".npy").name
            raise ParameterError(f"the list of events is a .npy file; name it {wanted}")
        if self.out and self.counts and self.out.resolve() == self.counts.resolve():
            raise ParameterError("--out and --counts name the same file; give each its own")

    @property
    def files(self) -> dict[str, Path]:
        """The files by kind."""
        named = {"events": self.out, "counts": self.counts}
        return {kind: path for kind, path in named.items() if path is not None}


def apply(
    *,
    raw: Raw,
    lut: _LUT,
    block: ToldBlock,
    window: Annotated[dict[str, Any], _ANY_WINDOW],
    energies: _KeV,
    written: _Written,
    reading: Reading,
    force: Force = False,
    as_json: AsJSON = False,
) -> None:
    """Apply a crystal LUT to recorded events: events per crystal, and the crystal of every event.

    The list of events is a NumPy file with one record of 8 bytes for each event of RAW, in its order: the
    crystal id (int32, -1 for none) and the energy (float32, field "channel", or "keV" with an energy LUT).
    """
    if energies.kev is not None and (energies.energy_lut is None or window["window"] is not None):
        raise ParameterError("--kev needs --energy-lut, and excludes --window")
    check_outputs(written.files.values(), [raw, energies.energy_lut, *lut.files, *reading.files], force=force)
    events = reading.events(raw)

    from napari_petlut.formats.energy_lut import read_energy_lut
    from napari_petlut.formats.lut import read_lut
    from napari_petlut.workflow.applying import apply_to_events, windows_in_kev, write_counts

    crystals = read_lut(lut.lut, lut.encoding, block.geometry).lut
    gains = None if energies.energy_lut is None else read_energy_lut(energies.energy_lut, crystals.geometry)
    kept: Any = window["window"]
    if energies.kev is not None and gains is not None:
        kept = windows_in_kev(*energies.kev, gains)
    with terminal.StepProgress(quiet=as_json) as progress:
        result = apply_to_events(
            events,
            crystals,
            kept,
            events.found.layout,
            event_list=written.out,
            energy_lut=gains,
            overwrite=force,
            progress=progress.of("events"),
        )
    if written.counts is not None:
        write_counts(written.counts, result, overwrite=force)
    _show_counts(result, written.files, as_json=as_json)


def _show_counts(result: AppliedLUT, written: dict[str, Path], *, as_json: bool) -> None:
    from napari_petlut.workflow.applying import as_dict

    files = {kind: str(path) for kind, path in written.items()}
    answer = as_dict(result)
    if as_json:
        terminal.print_json(answer | {"files": files})
        return
    share = 100 * answer["assigned"] / max(answer["events"], 1)
    facts = {
        "crystals": str(result.geometry),
        "events in the file": f"{answer['events']:,}",
        "given to a crystal": f"{answer['assigned']:,} ({share:.2f} %)",
    }
    terminal.print_facts("Events", facts)
    grid = result.counts.reshape(result.geometry.shape).tolist()
    width = max(len(str(count)) for row in grid for count in row) + 2
    if width * (result.geometry.cols + 1) <= max(terminal.width(), 80):
        columns = ("row", *map(str, range(result.geometry.cols)))
        terminal.print_table("By row and column", columns, [(i, *row) for i, row in enumerate(grid)])
    else:
        order = result.counts.argsort(kind="stable")[:FEW_CRYSTALS].tolist()
        rows = [(i, *divmod(i, result.geometry.cols), int(result.counts[i])) for i in order]
        terminal.print_table("Fewest events", ("crystal", "row", "col", "events"), rows)
        terminal.print_line("All of them: --counts FILE.csv, or --json")
    if files:
        terminal.print_facts("Written", files)
