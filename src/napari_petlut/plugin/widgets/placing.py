"""Where a panel stands in napari's window: as a tab beside its own kind, and all of it on the screen."""

from __future__ import annotations

from qtpy.QtCore import QPoint, QRect, QSize
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


def dock_of(panel: QWidget) -> QDockWidget | None:
    """Return the dock that holds a panel, None if it stands in none."""
    holder = panel.parent()
    while holder is not None and not isinstance(holder, QDockWidget):
        holder = holder.parent()
    return holder


def stand_as_tab(panel: QWidget, kind: type[QWidget]) -> None:
    """Let a panel share its place, as a tab, with the panels of a kind on its side of the window."""
    dock = dock_of(panel)
    window = dock.parent() if dock is not None else None
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    side, together = window.dockWidgetArea(dock), window.tabifiedDockWidgets(dock)
    beside = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and not other.isFloating()
        and not other.isHidden()
        and window.dockWidgetArea(other) == side
        and other.findChild(kind) is not None
    ]
    if not beside:
        return
    if not any(other in together for other in beside):
        window.tabifyDockWidget(beside[0], dock)
    dock.show()
    dock.raise_()


def fit_on_screen(window: QWidget) -> None:
    """Make a window smaller, and move it, where it reaches over the edges of its screen."""
    screen = window.screen()
    if screen is None or window.isMaximized() or window.isFullScreen():
        return
    frame = window.frameGeometry()
    fitting = fitted(frame, screen.availableGeometry())
    if fitting != frame:
        around = frame.size() - window.size()
        window.resize(fitting.size() - around)
        window.move(fitting.topLeft())


def fitted(frame: QRect, available: QRect) -> QRect:
    """Return the frame of a window, as large and as near to where it is as the space allows.

    Examples
    --------
    >>> fitted(QRect(0, 0, 1571, 639), QRect(0, 0, 1366, 768)).width()
    1366
    """
    size = QSize(min(frame.width(), available.width()), min(frame.height(), available.height()))
    left = min(max(frame.left(), available.left()), available.left() + available.width() - size.width())
    top = min(max(frame.top(), available.top()), available.top() + available.height() - size.height())
    return QRect(QPoint(left, top), size)
