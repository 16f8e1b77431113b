"""How the hot loops are compiled, by Numba, at their first call on a machine.

Numba's front end is what a first run waits for: some 0.1 s for the smallest function, three seconds for one
that sorts or that assigns an array to a slice. So the loops are plain: scalars and single elements rather
than array expressions; what sorts, takes a median or may fail with a message stays outside; one signature
each; and no compiled function calls another, because Numba would compile the one that is called on its own,
once more into every caller, and optimise it both times. A helper is `inlined` instead, and has few callers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


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
    # Nobody calls the loops from C: without that entry they compile in less time.
    options: dict[str, Any] = {"cache": True, "no_cfunc_wrapper": True, "nogil": nogil}
    options |= {"error_model": error_model, "fastmath": set(fastmath) or False}
    return cast(Callable[[Function], Function], njit(**options))


def inlined(function: Function) -> Function:
    """Make a function part of each loop that calls it, as if it stood there.

    It is not kept on disk by itself, and the files of its callers say when they are compiled again: they have
    to be this one's, or change with it.
    """
    return cast(Function, njit(inline="always")(function))
