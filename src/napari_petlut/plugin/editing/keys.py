"""Key handlers that do not keep alive what they act on."""

from __future__ import annotations

import weakref
from collections.abc import Callable


def call_weakly(owner: object, method: str, *arguments: object) -> Callable[[object], None]:
    """Return a handler for napari's ``bind_key`` that calls a method for as long as its owner exists.

    napari keeps handlers for good, and a bound method would keep its owner with them.
    """
    reference = weakref.ref(owner)

    def handler(layer_or_viewer: object) -> None:
        still_there = reference()
        if still_there is not None:
            getattr(still_there, method)(*arguments)

    return handler
