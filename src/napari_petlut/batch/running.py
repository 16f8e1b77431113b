"""Calibrating many blocks at once, on workers of a Dask cluster."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_petlut.batch.blocks import BatchBlock
from napari_petlut.batch.one_block import BlockTask, calibrate_block, task_of
from napari_petlut.batch.results import (
    BlockResult,
    earlier_result,
    is_finished,
    result_path,
    without_files,
)
from napari_petlut.batch.summing_up import write_summary
from napari_petlut.errors import Cancelled, FormatError, ParameterError
from napari_petlut.formats.lut_encoding import LUTEncoding, lut_encoding
from napari_petlut.formats.plain import write_json
from napari_petlut.geometry import BlockGeometry
from napari_petlut.workflow.calibration import CalibrationParameters
from napari_petlut.workflow.outputs import check_outputs, make_directory, refuse_inputs, require_writable

if TYPE_CHECKING:
    from distributed import Client

MARK = "batch.json"
"""Says that a folder is that of a run, so that files without a result are what a killed run left."""
_ASKED_EVERY = 0.2
"""Seconds between looks at whether the run is cancelled."""


@dataclass(frozen=True)
class BatchResult:
    """What became of a run.

    Parameters
    ----------
    directory : Path
    blocks : tuple of BlockResult
        In the order in which the blocks were given.
    taken_over : int
        Blocks that an earlier run had done.
    files : mapping of str to Path
        Files about all blocks by kind: "table", "overview", "lut".
    notes : tuple of str
        What a person should know of the run, one line each.
    """

    directory: Path
    blocks: tuple[BlockResult, ...]
    taken_over: int
    files: Mapping[str, Path]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[BlockResult, ...]:
        """Blocks without a LUT."""
        return tuple(block for block in self.blocks if block.failed)

    def with_verdict(self, verdict: str) -> tuple[BlockResult, ...]:
        """Return the blocks of a verdict."""
        return tuple(block for block in self.blocks if block.verdict == verdict)


def calibrate_many(
    blocks: Iterable[BatchBlock],
    directory: str | os.PathLike[str],
    geometry: BlockGeometry | None = None,
    parameters: CalibrationParameters | None = None,
    *,
    encoding: str | LUTEncoding = "packed",
    prior: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    client: Client | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BatchResult:
    """Calibrate many blocks; what an earlier run into the same directory has done is not done again.

    Every block gets the files that `Calibration.write` writes, an energy LUT where there are events, and
    ``NAME_result.json``. About all blocks there are ``blocks.csv`` (and ``blocks.parquet``),
    ``overview.html`` and ``combined.lut``, which holds the blocks in their order, one that failed without any
    crystal. The bytes do not depend on the number of workers.

    Parameters
    ----------
    blocks : iterable of BatchBlock
    directory : path-like
        Made if needed. Files of an earlier run there are replaced where a block is calibrated again.
    geometry : BlockGeometry, optional
        The crystal array of all blocks that tell none; proposed from each map when left out.
    parameters : CalibrationParameters, optional
        Of all blocks, but for what a block's own settings change.
    encoding : str or LUTEncoding
        Of the LUT files.
    prior : path-like, optional
        Lattice of the design, as in `calibrate`.
    workers : int, optional
        Processes on this machine; one a core by default.
    scheduler : str, optional
        Address of a running Dask scheduler instead; its workers see the same paths.
    client : distributed.Client, optional
        A connection to a cluster that exists; instead of the two before.
    overwrite : bool
        Whether files of these names may be replaced that no run has written, or that were changed since.
    progress : callable, optional
        Called with the number of blocks that are done, and of all.
    cancelled : callable, optional
        Asked now and then; when it returns True the run stops with `Cancelled`. What is done stays done.

    Returns
    -------
    BatchResult

    Raises
    ------
    FormatError
        If the directory cannot be written, an output would be an input, or replaces a file that it may not.
    ParameterError
        If there are no blocks, two of one name, or a value is out of range.
    Cancelled
        If `cancelled` said so.
    """
    blocks, directory = list(blocks), Path(directory)
    _check(blocks, workers)
    chosen, common = lut_encoding(encoding), parameters or CalibrationParameters()
    require_writable(directory)
    prior = None if prior is None else Path(prior)
    tasks = [task_of(block, common, geometry, chosen, directory, prior) for block in blocks]
    _refuse_inputs(tasks)
    done = _finished(tasks, overwrite=overwrite)
    make_directory(directory)
    write_json(directory / MARK, {"made_by": "napari-petlut batch"}, overwrite=True)
    taken_over = len(done)
    tell = progress or (lambda *_: None)
    tell(taken_over, len(tasks))
    left = [task for task in tasks if task.block.name not in done]
    if left:
        with _connected(workers, scheduler, client, len(left)) as connection:
            for result in _run(connection, left, cancelled):
                done[result.name] = result
                tell(len(done), len(tasks))
    results = tuple(done[task.block.name] for task in tasks)
    files, notes = write_summary(directory, results, chosen)
    return BatchResult(directory, results, taken_over, files, notes)


def _check(blocks: Sequence[BatchBlock], workers: int | None) -> None:
    if not blocks:
        raise ParameterError("a run has one block or more")
    if workers is not None and not 1 <= workers <= 4096:
        raise ParameterError(f"workers are 1 or more processes, not {workers}")
    names: set[str] = set()
    for block in blocks:
        if block.name.casefold() in names:
            raise ParameterError(f"two blocks are named {block.name}; name them in a table of blocks")
        names.add(block.name.casefold())


def _refuse_inputs(tasks: Sequence[BlockTask]) -> None:
    """Raise `FormatError` if a file of the run would be written over one that it reads."""
    inputs = {os.path.realpath(task.block.path): task.block.path for task in tasks}
    for task in tasks:
        for output in (*task.outputs, result_path(task.directory, task.block.name)):
            if os.path.realpath(output) in inputs:
                refuse_inputs([output], [inputs[os.path.realpath(output)]])


def _finished(tasks: Sequence[BlockTask], *, overwrite: bool) -> dict[str, BlockResult]:
    """Return what an earlier run has done, by name of the block.

    Raises
    ------
    FormatError
        If a file is in the way that no run has written, or that was changed since.
    """
    found: dict[str, BlockResult] = {}
    for task in tasks:
        # A run that was killed leaves files without a result.
        ours = overwrite or (task.directory / MARK).is_file()
        try:
            result = earlier_result(task.directory, task.block.name)
        except FormatError:
            if not overwrite:
                raise
            continue
        if result is None:
            check_outputs(task.outputs, overwrite=ours)
            continue
        with suppress(FormatError, OSError):  # its worker will say what is wrong with the source
            if is_finished(result, task.directory, task.key()):
                found[task.block.name] = result
    return found


@contextmanager
def _connected(
    workers: int | None, scheduler: str | None, client: Client | None, tasks: int
) -> Iterator[Client]:
    if client is not None:
        yield client
        return
    distributed = _library()
    if scheduler is not None:
        try:
            connection = distributed.Client(scheduler)
        except (OSError, ValueError) as error:
            raise ParameterError(f"no Dask scheduler answers at {scheduler!r}: {error}") from None
        with connection:
            yield connection
        return
    number = min(workers or os.cpu_count() or 1, tasks)
    with (
        distributed.LocalCluster(
            host="127.0.0.1",
            n_workers=number,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster) as connection,
    ):
        yield connection


def _library() -> Any:  # noqa: ANN401 - modules are not typed
    try:
        return import_module("distributed")
    except ImportError:
        told = "a run of many blocks needs Dask; install it: pip install 'napari-petlut[batch]'"
        raise ParameterError(told) from None


def _run(
    client: Any,  # noqa: ANN401 - of Dask, which is not typed throughout
    tasks: Sequence[BlockTask],
    cancelled: Callable[[], bool] | None,
) -> Iterator[BlockResult]:
    """Yield the results of tasks as they come."""
    ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # A future that nobody holds is forgotten by the scheduler.
    held: dict[Any, tuple[BlockTask, Any]] = {}
    for number, task in enumerate(tasks):
        # Every run is a work of its own: what a scheduler remembers of another one is not meant.
        future: Any = client.submit(calibrate_block, task, pure=False, priority=-number)
        held[future.key] = task, future
        future.add_done_callback(ready.put)
    try:
        while held:
            future = _next(ready, cancelled)
            task, _ = held.pop(future.key)
            yield _result(future, task)
    finally:
        if held:
            client.cancel([future for _, future in held.values()], force=True)


def _next(ready: queue.SimpleQueue[Any], cancelled: Callable[[], bool] | None) -> Any:  # noqa: ANN401 - of Dask
    while True:
        if cancelled is not None and cancelled():
            raise Cancelled("the run was stopped; what is done stays done")
        try:
            return ready.get(timeout=_ASKED_EVERY)
        except queue.Empty:
            continue


def _result(future: Any, task: BlockTask) -> BlockResult:  # noqa: ANN401 - of Dask
    error = future.exception()
    if error is None:
        result: BlockResult = future.result()
        return result
    words = f"{type(error).__name__}: {error}".splitlines()[0]
    return without_files(task.unfinished(""), f"the worker gave no result: {words}")
