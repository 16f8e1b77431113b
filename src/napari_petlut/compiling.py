"""How the hot loops are compiled, by Numba, at their first call on a machine, and who is told of it.

Numba's front end is what a first run waits for: some 0.1 s for the smallest function, three seconds for one
that sorts or that assigns an array to a slice. So the loops are plain: scalars and single elements rather
than array expressions; what sorts, takes a median or may fail with a message stays outside; one signature
each; and no compiled function calls another, because Numba would compile the one that is called on its own,
once more into every caller, and optimise it both times. A helper is `inlined` instead, and has few callers;
only a large one with several callers that most runs need is compiled on its own.

This module loads nothing; Numba is loaded with the first file that has loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

FIRST_RUN = "first run: compiling, once, about 15 s"
"""Said when nothing was compiled before; `benchmarks/bench_startup.py` measures how long it takes."""
FIRST_OF_ITS_KIND = "first run of this kind: compiling, once, a few seconds"
"""Said when the loops of another kind of work, or of a doubtful block, are compiled."""

_loops: list[Any] = []
_tellers: list[tuple[Callable[[str], None], bool]] = []


def compiled(
    *, fastmath: Iterable[str] = (), error_model: str = "python", nogil: bool = False
) -> Callable[[Function], Function]:
    """Return what compiles a loop at its first call and keeps the result on disk.

    Parameters
    ----------
    fastmath : iterable of str
        What the optimiser may do with floating-point numbers, in LLVM's words; nothing by default.
    error_model : {"python", "numpy"}
        Whether a division by zero raises an error, or gives infinity or NaN.
    nogil : bool
        Whether other threads may run meanwhile.
    """
    from numba import njit

    # Nobody calls the loops from C: without that entry they compile in less time.
    options: dict[str, Any] = {"cache": True, "no_cfunc_wrapper": True, "nogil": nogil}
    options |= {"error_model": error_model, "fastmath": set(fastmath) or False}
    _watch()

    def compile_later(function: Function) -> Function:
        loop = njit(**options)(function)
        _loops.append(loop)
        return cast(Function, loop)

    return compile_later


def inlined(function: Function) -> Function:
    """Make a function part of each loop that calls it, as if it stood there.

    It is not kept on disk by itself, and the files of its callers say when they are compiled again: they have
    to be this one's, or change with it.
    """
    from numba import njit

    return cast(Function, njit(inline="always")(function))


@contextmanager
def told_of_compiling(tell: Callable[[str], None], *, each: bool = False) -> Iterator[None]:
    """Call `tell` with one line before the first loop is compiled, or before `each`, that is not on disk.

    It is called in the thread that compiles, whichever that is; what it raises ends the call that needs the
    loop.

    Examples
    --------
    >>> with told_of_compiling(print):
    ...     pass
    """
    teller = (tell, each)
    _tellers.append(teller)
    try:
        yield
    finally:
        if teller in _tellers:
            _tellers.remove(teller)


def _note(loop: object) -> None:
    """Tell everyone who waits for it that a loop is about to be compiled."""
    if not any(loop is known for known in _loops):
        return
    before = any(known.stats.cache_hits or len(known.overloads) for known in _loops)
    for teller in list(_tellers):
        tell, each = teller
        if not each:
            _tellers.remove(teller)
        tell(FIRST_OF_ITS_KIND if before else FIRST_RUN)


@cache
def _watch() -> None:
    """Have Numba say when it compiles; reading a loop from disk is no event."""
    from numba.core import event

    class Watch(event.Listener):
        def on_start(self, event: Any) -> None:  # noqa: ANN401 - Numba's
            _note(event.data["dispatcher"])

        def on_end(self, event: Any) -> None:  # noqa: ANN401 - Numba's
            pass

    register: Any = event.register
    register("numba:compile", Watch())
