"""The last message of a panel: as many lines as it needs, broken anywhere, so that no path is cut off."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent, QTextOption
from qtpy.QtWidgets import QFrame, QSizePolicy, QTextEdit

_MOST_HEIGHT = 150
"""Pixels; a longer message is scrolled."""


class MessageText(QTextEdit):
    """Shows a message that can be selected; a path that is wider than the panel is continued below."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._fit()

    def text(self) -> str:
        """Return the message."""
        return self.toPlainText()

    def write(self, text: str, color: str) -> None:
        """Show a message in a colour, empty for that of the theme."""
        if text != self.toPlainText():
            self.setPlainText(text)
        # The theme gives text fields a frame and a ground of their own, which a message has not.
        rule = f" color: {color};" if color else ""
        self.setStyleSheet(f"QTextEdit {{ background: transparent; border: none; padding: 0;{rule} }}")
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Be as high as the message is at this width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        document = self.document()
        assert document is not None
        document.setDocumentMargin(2)
        height = round(document.size().height()) + 2 if self.toPlainText() else 0
        if self.height() != min(height, _MOST_HEIGHT):
            self.setFixedHeight(min(height, _MOST_HEIGHT))
