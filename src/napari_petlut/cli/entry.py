"""Where `petlut` begins and ends; it loads nothing before it knows what is asked.

However it ends, there is no traceback for what is no fault of the program: Ctrl-C at any moment, an output
that nobody reads any more, a full disk.
"""

from __future__ import annotations

import sys

from napari_petlut.cli import ending


def main() -> None:
    """Run the command line."""
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:
        code = ending.stopped()
    sys.exit(code)


def _run(words: list[str]) -> int:
    with ending.noted_interrupt() as pressed:
        try:
            if words == ["--version"]:
                import napari_petlut

                ending.write_answer(f"{napari_petlut.__version__}\n")
                return ending.EXIT_DONE
            from napari_petlut.cli.main import app

            app()
        except SystemExit as end:
            if pressed.is_set():
                return ending.stopped()
            if isinstance(end.code, int):
                return ending.last_words(end.code)
            return ending.EXIT_DONE if end.code is None else ending.EXIT_ERROR
        except ending.OutputLost as error:
            return error.exit_code
        except OSError as error:  # commands tell their own; this is the help, or a word about wrong usage
            return ending.output_lost(error).exit_code
        except (Exception, KeyboardInterrupt) as error:
            if pressed.is_set() or isinstance(error, KeyboardInterrupt):
                return ending.stopped()
            raise
    return ending.last_words(ending.EXIT_DONE)
