"""The command line, `petlut`: its commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from napari_petlut.cli import analysis, batch, calibrating, ending, files, reporting, simulating
from napari_petlut.cli.deriving import with_groups

COMMANDS = (
    simulating.demo,
    simulating.simulate,
    files.info,
    calibrating.flood,
    calibrating.calibrate,
    batch.batch,
    files.compare,
    files.convert,
    analysis.energy,
    analysis.apply,
    reporting.report,
)
"""In the order of the help."""

_COMPLETION = ("--install-completion", "--show-completion")

# The flag of the help is False, not None, for which typer loads pydantic at every call.
_CONTEXT = {"help_option_names": ["-h", "--help"], "default_map": {"help": False}}

app = typer.Typer(
    name="petlut",
    help="Crystal lookup tables for PET block detectors: from recorded events to a numbered LUT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # To read the two options of completion typer loads pydantic, also where nobody asks for them.
    add_completion=bool({*_COMPLETION} & {*sys.argv[1:]}) or "_PETLUT_COMPLETE" in os.environ,
    # Plain text: drawing the help with rich takes longer than all the rest of it.
    rich_markup_mode=None,
    context_settings=_CONTEXT,
    epilog=(
        "Exit codes: 0 done, 1 a file or value cannot be used, 2 wrong usage, 3 doubts under --strict, "
        "130 stopped. Completion of names in your shell: petlut --install-completion."
    ),
)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        import napari_petlut

        ending.write_answer(f"{napari_petlut.__version__}\n")
        raise typer.Exit


for command in COMMANDS:
    app.command(context_settings=_CONTEXT)(with_groups(command))
