"""What a person does in a real window, while Qt's event loop runs."""

from napari.utils.notifications import notification_manager


def in_event_loop(qtbot, action, timeout=20_000):
    """Call `action` from the event loop, as a click does."""
    from qtpy.QtCore import QTimer

    done = []

    def act():
        try:
            action()
        finally:
            done.append(True)

    QTimer.singleShot(0, act)
    qtbot.waitUntil(lambda: bool(done), timeout=timeout)


def drop(qtbot, viewer, paths):
    """Drop files on the canvas."""
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    in_event_loop(qtbot, lambda: viewer.window._qt_viewer.dropEvent(event))


def messages(severity):
    """Return what napari has notified with this severity."""
    return [r.message for r in notification_manager.records if str(r.severity) == severity]


def buttons(text):
    """Return the visible buttons of all windows with this text."""
    from qtpy.QtWidgets import QAbstractButton, QApplication

    found = [widget for widget in QApplication.allWidgets() if isinstance(widget, QAbstractButton)]
    return [button for button in found if button.text() == text and not button.isHidden()]


def answer_dialogs(qtbot, *texts):
    """Click the buttons with these texts as soon as a dialog opens; the last one closes it."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    timer = QTimer(QApplication.instance())

    def look():
        if QApplication.activeModalWidget() is not None:
            timer.stop()
            for text in texts:
                buttons(text)[-1].click()

    timer.timeout.connect(look)
    timer.start(20)
    return timer
