"""Key handlers that do not keep alive what they act on."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator


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


def call_while_held(
    owner: object, pressed: tuple[str, str], released: tuple[str, str]
) -> Callable[[object], object]:
    """Return a handler that calls a method when a key is pressed, and another when it is released.

    Parameters
    ----------
    owner : object
        Held weakly, as by `call_weakly`.
    pressed, released : tuple of str
        Name of the method, and its argument.
    """
    press, release = call_weakly(owner, *pressed), call_weakly(owner, *released)

    def handler(layer_or_viewer: object) -> Iterator[None]:
        press(layer_or_viewer)
        yield
        release(layer_or_viewer)

    return handler
