"""Every key of the plugin, in one registry.

The key bindings, the help in the panel and the table in the user guide all come from `SHORTCUTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Where a key works."""

    PEAKS = "peaks layer"
    """While the peaks layer is the active layer."""
    VIEWER = "viewer"
    """Whatever layer is active."""


@dataclass(frozen=True)
class Shortcut:
    """One key and what it does.

    Parameters
    ----------
    action : str
        Name of the method that is called, of `napari_petlut.plugin.work.workbench.Workbench` or of the block
        in focus, a `napari_petlut.plugin.work.block.BlockController`.
    key : str
        As napari's ``bind_key`` takes it, for example ``"Control-Shift-Z"``.
    description : str
        What it does, in words, for people.
    scope : Scope
    released : str
        Name of the method that is called when the key is released, empty if none is.
    """

    action: str
    key: str
    description: str
    scope: Scope
    released: str = ""

    @property
    def shown_key(self) -> str:
        """The key as people write it, ``"Ctrl+Shift+Z"``."""
        return self.key.replace("Control", "Ctrl").replace("-", "+")


SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("undo", "Control-Z", "Undo the last edit of the peaks", Scope.PEAKS),
    Shortcut("redo", "Control-Shift-Z", "Redo the edit that was undone", Scope.PEAKS),
    Shortcut("select_row", "R", "Select the whole row of the selected peak", Scope.PEAKS),
    Shortcut("select_col", "C", "Select the whole column of the selected peak", Scope.PEAKS),
    Shortcut("toggle_snap", "G", "Snap new and moved peaks to the local maximum, on or off", Scope.PEAKS),
    Shortcut(
        "hide_overlays",
        "H",
        "Show the map without what is drawn over it, while the key is held",
        Scope.VIEWER,
        released="show_overlays",
    ),
    Shortcut(
        "step_overlays",
        "Shift-H",
        "Show the map alone, then with its peaks, with its cells, with everything",
        Scope.VIEWER,
    ),
    Shortcut("segment_again", "Shift-S", "Segment again: settles cells that are provisional", Scope.VIEWER),
    Shortcut("next_block", "PageDown", "Go to the next block", Scope.VIEWER),
    Shortcut("previous_block", "PageUp", "Go to the previous block", Scope.VIEWER),
    Shortcut("next_suspect", "N", "Fly to the next suspect", Scope.VIEWER),
    Shortcut("previous_suspect", "Shift-N", "Fly to the previous suspect", Scope.VIEWER),
    Shortcut(
        "accept_suspect",
        "K",
        "Settle the suspect: confirm it, place a missing peak, remove an extra one",
        Scope.VIEWER,
    ),
)

NAPARI_KEYS: tuple[tuple[str, str], ...] = (
    ("2", "Add peaks by clicking"),
    ("3", "Select peaks; drag to move them"),
    ("4", "Pan and zoom"),
    ("Delete", "Delete the selected peaks"),
    ("Ctrl+C, Ctrl+V", "Copy and paste the selected peaks"),
)
"""What napari's own Points layer offers and correcting needs; shown in the help beside ours."""


def shortcut_for(action: str) -> Shortcut:
    """Return the shortcut of an action."""
    return next(shortcut for shortcut in SHORTCUTS if shortcut.action == action)


def markdown_table() -> str:
    """Return all keys as a Markdown table, for the user guide."""
    rows = [(s.shown_key, s.description, str(s.scope)) for s in SHORTCUTS]
    rows += [(key, f"{text} (napari's own)", str(Scope.PEAKS)) for key, text in NAPARI_KEYS]
    lines = ["| key | what it does | works in |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{key}` | {text} | {scope} |" for key, text, scope in rows)])


def html_table() -> str:
    """Return all keys as rich text, for the help in the panel."""
    rows = [(s.shown_key, s.description) for s in SHORTCUTS] + list(NAPARI_KEYS)
    cells = (f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for key, text in rows)
    return f"<table>{''.join(cells)}</table>"


if __name__ == "__main__":
    print(markdown_table())
