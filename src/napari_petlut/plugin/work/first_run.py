"""The first run on a machine: loops compile in the background as soon as a panel opens."""

from __future__ import annotations

import threading
from functools import cache

from qtpy.QtWidgets import QApplication

from napari_petlut.compiling import told_of_compiling
from napari_petlut.errors import Cancelled


class FirstRun:
    """Compiles in a thread of its own, so that nobody waits for it who does not need it.

    Attributes
    ----------
    line : str
        What to tell a person while it compiles; empty before, after, and where nothing has to be compiled.
    """

    def __init__(self) -> None:
        self.line = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, once; later calls do nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._compile, name="petlut first run")
            self._thread.start()

    def stop(self) -> None:
        """End before the next loop: what was compiled is kept, one loop takes two seconds at most."""
        self._stop.set()

    def _compile(self) -> None:
        try:
            with told_of_compiling(self._tell, each=True):
                # Loaded here, as that takes a moment too.
                from napari_petlut.workflow.first_run import use_all_loops

                use_all_loops()
        except Cancelled:
            pass
        finally:
            self.line = ""

    def _tell(self, line: str) -> None:
        if self._stop.is_set() and threading.current_thread() is self._thread:
            raise Cancelled("stopped")
        self.line = self.line or line


@cache
def first_run() -> FirstRun:
    """Return the one of this process, which ends with the window."""
    made = FirstRun()
    app = QApplication.instance()
    if app is not None:
        app.aboutToQuit.connect(made.stop)
    return made
