"""How everything else here calls the library: errors, the lifetime of objects, and threads."""

from __future__ import annotations

import weakref
from functools import partial
from types import TracebackType
from typing import Any, Callable, Self

from ._errors import closed, raise_error
from ._library import ffi


def call(function: Any, *arguments: Any) -> None:
    """Calls a function of the library without the GIL, and raises the error that it reports."""
    # One for each call: a signal handler may call the library before the caller reads the error.
    error = ffi.new("hs_error *")
    error.size = ffi.sizeof("hs_error")
    if function(*arguments, error):
        raise_error(error)


def fetch_all(kind: str, function: Any, *arguments: Any) -> list[Any]:
    """Returns all values of a list whose function says how many there are, whatever the capacity."""
    count, capacity = ffi.new("size_t *"), 1024
    while True:
        values = ffi.new(f"{kind}[]", capacity)
        call(function, *arguments, values, capacity, count)
        if count[0] <= capacity:
            return [values[i] for i in range(count[0])]
        capacity = count[0]


class CObject:
    """What Store, Export, Pins and the others have in common: `close()`, and `with`.

    All calls may be made from any thread. `close()` waits for nobody: a call that another thread is
    making goes on, and the object is freed after it.
    """

    def __init__(self, pointer: Any, free: Callable[[Any], None], maker: CObject | None = None):
        self._pointer: Any | None = pointer
        # A store is freed after all that was made from it, however these objects die: the garbage
        # collector keeps no order. The list is the store's, with one item for each object that needs
        # it; whoever takes the last one out, frees the store.
        self._uses: list[Callable[[], None] | None] = maker._uses if maker else []
        # The finalizer must not keep what it waits for, so it gets a copy of the pointer.
        copy = ffi.cast(ffi.typeof(pointer), pointer)
        self._uses.append(None if maker else partial(free, copy))
        finalizer = weakref.finalize(
            pointer, _free_after_use, partial(free, copy) if maker else None, self._uses
        )
        # Threads that still run when the interpreter ends may be in a call.
        finalizer.atexit = False

    @property
    def _c(self) -> Any:
        """The pointer. A call must hold it, because the object lives as long as it does."""
        pointer = self._pointer
        if pointer is None:
            raise closed(type(self).__name__)
        return pointer

    def close(self) -> None:
        """Frees the object as soon as no call uses it. Does nothing if it is closed."""
        self._pointer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _free_after_use(
    free: Callable[[], None] | None, uses: list[Callable[[], None] | None]
) -> None:
    if free is not None:
        free()
    free_last = uses.pop()
    if free_last is not None:
        free_last()
