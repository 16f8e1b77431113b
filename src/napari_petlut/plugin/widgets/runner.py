"""Runs one job at a time in the background: progress, cancel, and an end that survives a closed viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

from napari.qt.threading import create_worker
from napari.utils import progress
from psygnal import Signal

from napari_petlut.errors import Cancelled, PetlutError
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress
from napari_petlut.plugin.work.workbench import Workbench

_POLL_SECONDS = 0.03

Compute = Callable[[Progress, CancelCheck], Any]
Tell = Callable[[str, bool], object]


def _watched(compute: Compute, stop: Event) -> Generator[float, None, tuple[Any, PetlutError | None]]:
    """Yield the finished fraction while `compute` runs; return its result, or the error it ended with.

    The computation has a thread of its own, so that this generator can look at the cancel request and the
    progress often, however rarely the computation reports.
    """
    fraction = [0.0]

    def note(done: float) -> None:
        fraction[0] = done

    pool = ThreadPoolExecutor(1, thread_name_prefix="petlut")
    try:
        future = pool.submit(compute, note, stop.is_set)
        while not future.done():
            yield fraction[0]
            wait([future], timeout=_POLL_SECONDS)
        try:
            return future.result(), None
        except PetlutError as error:  # meant for the person; anything else is a bug and is raised
            return None, error
    finally:
        stop.set()
        pool.shutdown(wait=False)


class JobRunner:
    """Runs jobs for one workbench.

    Attributes
    ----------
    started : Signal
        With the job's title.
    progressed : Signal
        With the finished fraction.
    ended : Signal
        With a line that says how it ended, and whether that was well.
    """

    started = Signal(str)
    progressed = Signal(float)
    ended = Signal(str, bool)

    def __init__(self, bench: Workbench) -> None:
        self._bench = weakref.ref(bench)
        self._job: Job | None = None
        self._stop = Event()
        self._also_tell: Tell | None = None
        self._bar: progress | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def try_start(self, make: Callable[[], Job], also_tell: Tell | None = None) -> None:
        """Make a job and start it; say why not if that cannot be.

        Parameters
        ----------
        make : callable
            Returns the job.
        also_tell : callable, optional
            Gets, once, what `ended` will say, for those who do not look at a panel.
        """
        if self._job is not None:
            _say(self.ended.emit, also_tell, f"{self._job.title} is still running; cancel it or wait.", False)
            return
        try:
            job = make()
        except PetlutError as error:
            _say(self.ended.emit, also_tell, str(error), False)
            return
        self._also_tell = also_tell
        self._start(job)

    def _start(self, job: Job) -> None:
        self._job, self._stop = job, Event()
        self._bar = progress(total=100, desc=job.title)
        worker = create_worker(_watched, job.compute, self._stop)
        worker.yielded.connect(self._on_progress)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_error)
        worker.aborted.connect(self._on_aborted)
        worker.finished.connect(self._on_finished)
        self.started.emit(job.title)
        worker.start()

    def cancel(self) -> None:
        """Ask the running job to stop."""
        self._stop.set()

    def _on_progress(self, fraction: float) -> None:
        if self._bar is not None:
            self._bar.update(round(100 * fraction) - self._bar.n)
        self.progressed.emit(fraction)

    def _on_returned(self, outcome: tuple[Any, PetlutError | None]) -> None:
        result, error = outcome
        job, self._job = self._job, None
        bench = self._bench()
        if job is None or bench is None or bench.viewer is None:
            return
        if isinstance(error, Cancelled):
            self._tell_end(f"{job.title} cancelled; nothing was changed.", True)
        elif error is not None:
            self._tell_end(str(error), False)
        else:
            self._show(job, result)

    def _show(self, job: Job, result: object) -> None:
        try:
            said, good = job.show(result), True
        except PetlutError as error:
            said, good = str(error), False
        self._tell_end(said, good)

    def _on_error(self, error: Exception) -> None:
        title, self._job = self._job.title if self._job else "The job", None
        self._tell_end(f"{title} failed: {error}", False)

    def _tell_end(self, text: str, good: bool) -> None:
        also_tell, self._also_tell = self._also_tell, None
        _say(self.ended.emit, also_tell, text, good)

    def _on_finished(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _on_aborted(self) -> None:
        self._stop.set()
        self._job = None


def _say(emit: Tell, also_tell: Tell | None, text: str, good: bool) -> None:
    emit(text, good)
    if also_tell is not None:
        also_tell(text, good)


_RUNNERS: weakref.WeakKeyDictionary[Workbench, JobRunner] = weakref.WeakKeyDictionary()


def runner_of(bench: Workbench) -> JobRunner:
    """Return the runner of a workbench; all its panels share it."""
    if bench not in _RUNNERS:
        _RUNNERS[bench] = JobRunner(bench)
    return _RUNNERS[bench]
