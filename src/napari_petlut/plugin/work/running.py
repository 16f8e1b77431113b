"""Jobs in the background: progress, cancel, and an end that always comes and says why."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, Self

from napari.qt.threading import create_worker
from napari.utils import cancelable_progress
from psygnal import Signal

from napari_petlut.errors import Cancelled, PetlutError
from napari_petlut.plugin.work.context import cause_first, tell
from napari_petlut.plugin.work.jobs import CancelCheck, Job, Progress
from napari_petlut.plugin.work.workbench import Workbench

_POLL_SECONDS = 0.03
# Only the time that is left: all of tqdm's figures would push the Cancel button out of sight.
_BAR = "{desc}|{remaining}"

Compute = Callable[[Progress, CancelCheck], Any]
Tell = Callable[[str, bool], object]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    text : str
        In one line or more.
    good : bool
        Whether that is what the person wanted.
    error : PetlutError, optional
        What stopped it.
    """

    text: str
    good: bool
    error: PetlutError | None = None


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


class _Named(partial[Any]):
    """A function that napari calls by words of ours where it says what runs, as when its window is closed."""

    words: str

    def __new__(cls, function: Callable[..., Any], words: str) -> Self:
        made = super().__new__(cls, function)
        made.words = words
        return made

    def __str__(self) -> str:
        return self.words


class BackgroundRun:
    """One job that runs in the background, with a bar and a Cancel button in napari's activity dock.

    Parameters
    ----------
    job : Job
    ended : callable
        Gets the `Outcome`, once, in the main thread; not after the viewer was closed.
    progressed : callable, optional
        Gets the finished fraction now and then, in the main thread.
    """

    def __init__(
        self,
        job: Job,
        ended: Callable[[Outcome], object],
        progressed: Callable[[float], object] | None = None,
    ) -> None:
        self.job = job
        self._ended, self._progressed = ended, progressed
        self._stop = Event()
        self._bar: Any = None
        self._updating = False

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended yet."""
        return self in _RUNNING

    def start(self) -> None:
        """Begin; returns at once."""
        _RUNNING.add(self)
        self._bar = cancelable_progress(total=100, desc=self.job.title, bar_format=_BAR)
        worker = create_worker(_Named(_watched, self.job.words), self.job.compute, self._stop)
        worker.yielded.connect(self._on_progress)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_error)
        worker.aborted.connect(self._on_aborted)
        worker.finished.connect(self._close)
        worker.start()

    def cancel(self) -> None:
        """Ask the job to stop; it will show nothing."""
        self._stop.set()

    def _on_progress(self, fraction: float) -> None:
        # napari's bar lets Qt handle events while it is updated, the next report of progress among them. One
        # inside the other, they draw layers that are half changed: a segmentation fault in napari 0.9.
        if self._updating:
            return
        self._updating = True
        try:
            self._update_bar(round(100 * fraction))
        finally:
            self._updating = False
        if self._progressed is not None and self.running:
            self._progressed(fraction)

    def _update_bar(self, percent: int) -> None:
        if self._bar is None:
            return
        if self._bar.is_canceled:
            self.cancel()
        if percent != self._bar.n:
            self._bar.update(percent - self._bar.n)

    def _on_returned(self, returned: tuple[Any, PetlutError | None]) -> None:
        result, error = returned
        title, lost = self.job.title, self.job.lost
        if lost:
            self._end(Outcome(f"{title} stopped: {lost}. Nothing was changed.", False, error))
        elif isinstance(error, Cancelled):
            self._end(Outcome(f"{title} cancelled; nothing was changed.", True, error))
        elif error is not None:
            self._end(Outcome(cause_first(error), False, error))
        else:
            self._show(result)

    def _show(self, result: object) -> None:
        try:
            outcome = Outcome(self.job.shown(result), True)
        except PetlutError as error:
            outcome = Outcome(cause_first(error), False, error)
        except Exception as error:
            # A fault of ours: it is raised, but nobody is left waiting for an end.
            self._end(Outcome(f"{self.job.title} failed: {error}", False))
            raise
        self._end(outcome)

    def _on_error(self, error: Exception) -> None:
        self._end(Outcome(f"{self.job.title} failed: {error}", False))

    def _on_aborted(self) -> None:
        self._stop.set()
        self._close()

    def _end(self, outcome: Outcome) -> None:
        self._close()
        self._ended(outcome)

    def _close(self) -> None:
        _RUNNING.discard(self)
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


_RUNNING: set[BackgroundRun] = set()
"""Keeps them alive: Qt's signals hold their listeners weakly."""


class JobRunner:
    """Runs jobs for one workbench, one at a time.

    Attributes
    ----------
    started : Signal
        With the job's title.
    progressed : Signal
        With the finished fraction.
    ended : Signal
        With a line that says how it ended, and whether that was well; for a job of a block that is not in
        focus, after the line was kept with that block.
    """

    started = Signal(str)
    progressed = Signal(float)
    ended = Signal(str, bool)

    def __init__(self, bench: Workbench) -> None:
        self._bench = weakref.ref(bench)
        self._run: BackgroundRun | None = None
        self._also_tell: Tell | None = None
        self.fraction = 0.0
        bench.block_gone.connect(self._on_gone)

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._run is not None and self._run.running

    @property
    def job(self) -> Job | None:
        """The job that runs, None if none does."""
        return self._run.job if self._run is not None and self._run.running else None

    def try_start(self, make: Callable[[], Job], also_tell: Tell | None = None) -> None:
        """Make a job and start it; say why not if that cannot be.

        Parameters
        ----------
        make : callable
            Returns the job.
        also_tell : callable, optional
            Gets, once, what `ended` will say, for those who do not look at a panel.
        """
        if self._run is not None and self._run.running:
            running = self._described(self._run.job)
            self.say(f"{running} is still running; cancel it or wait.", False, also_tell)
            return
        try:
            job = make()
        except PetlutError as error:
            self.say(cause_first(error), False, also_tell)
            return
        self._also_tell = also_tell
        self.fraction = 0.0
        self._run = BackgroundRun(job, self._on_ended, self._on_progress)
        self._run.start()
        self.started.emit(job.title)

    def cancel(self) -> None:
        """Ask the running job to stop."""
        if self._run is not None:
            self._run.cancel()

    def say(self, text: str, good: bool, also_tell: Tell | None = None) -> None:
        """Say something about the block in focus, at the foot of all panels."""
        bench = self._bench()
        if bench is not None:
            bench.note(text, good)
        self.ended.emit(text, good)
        if also_tell is not None:
            also_tell(text, good)

    def _on_progress(self, fraction: float) -> None:
        self.fraction = fraction
        self.progressed.emit(fraction)

    def _on_gone(self, block: object) -> None:
        if self.job is not None and self.job.block is block:
            self.cancel()

    def _on_ended(self, outcome: Outcome) -> None:
        also_tell, self._also_tell = self._also_tell, None
        bench, run = self._bench(), self._run
        if bench is None or bench.viewer is None or run is None:
            return
        block = run.job.block
        if block is None or block is bench.current or run.job.lost:
            self.say(outcome.text, outcome.good, also_tell)
            return
        bench.note(outcome.text, outcome.good, block)
        self.ended.emit(outcome.text, outcome.good)
        (also_tell or _tell_beside)(f"{block.name}: {outcome.text}", outcome.good)

    def _described(self, job: Job) -> str:
        bench = self._bench()
        elsewhere = job.block is not None and bench is not None and job.block is not bench.current
        return f"{job.title} of {job.block.name}" if elsewhere and job.block is not None else job.title


def _tell_beside(text: str, good: bool) -> None:
    """Tell how a job of another block ended: its panel line is not in sight."""
    tell(text)


_RUNNERS: weakref.WeakKeyDictionary[Workbench, JobRunner] = weakref.WeakKeyDictionary()


def runner_of(bench: Workbench) -> JobRunner:
    """Return the runner of a workbench; all its panels share it."""
    if bench not in _RUNNERS:
        _RUNNERS[bench] = JobRunner(bench)
    return _RUNNERS[bench]
