"""Watches: who watches which file, also after a restart."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ._calls import CObject, call
from ._library import ffi, lib

PAGE = 512


class Watcher(NamedTuple):
    """One watcher of a node: the number that the server gave it, and its events (inotify(7))."""

    watcher: int
    mask: int


class Watched(NamedTuple):
    """A watched node, and the events of all its watchers combined (inotify(7))."""

    node: int
    mask: int


class Deletions(NamedTuple):
    """Watched nodes whose file is gone. `overflowed`: some were lost, because there were too many."""

    nodes: list[int]
    overflowed: bool


class SweepStep(NamedTuple):
    """What one step of a sweep found: what `deletions` returns, and what became of the live nodes."""

    nodes: list[int]
    overflowed: bool
    #: Where the next step starts; 0 after the last one.
    next: int
    #: Live nodes whose file exists; those whose file is gone, which are stale now; and those not
    #: decided: not attached, unreadable, or the disk is full.
    present: int
    gone: int
    skipped: int


class Watches(CObject):
    """The calls of a store about watches."""

    def watch(self, node: int, mask: int, watcher: int) -> None:
        """Records that a watcher watches a live node for the events of a mask (not 0).

        Replaces its earlier mask. A watcher is a number that the server gives to a client and keeps
        over restarts. A node that is watched is not dropped. The store does not watch the file itself.
        """
        call(lib.hs_watch, self._c, node, mask, watcher)

    def unwatch(self, node: int, watcher: int) -> bool:
        """Ends a watch. Returns `False` if there was none."""
        ended = ffi.new("int *")
        call(lib.hs_unwatch, self._c, node, watcher, ended)
        return bool(ended[0])

    def watchers(self, node: int) -> list[Watcher]:
        """Lists the watchers of a node."""
        count, capacity = ffi.new("size_t *"), PAGE
        while True:
            page = ffi.new("hs_watch_mask[]", capacity)
            call(lib.hs_watchers, self._c, node, page, capacity, count)
            if count[0] <= capacity:
                return [Watcher(page[i].id, page[i].mask) for i in range(count[0])]
            capacity = count[0]

    def watched(self) -> Iterator[Watched]:
        """Lists the watched nodes by their ids."""
        page = ffi.new("hs_watch_mask[]", PAGE)
        count, next = ffi.new("size_t *"), ffi.new("uint64_t *")
        while True:
            call(lib.hs_watched, self._c, next[0], page, PAGE, count, next)
            yield from [Watched(page[i].id, page[i].mask) for i in range(count[0])]
            if not next[0]:
                return

    def deletions(self, limit: int = PAGE) -> Deletions:
        """Takes up to `limit` watched nodes whose file is gone, each once; if so many, there may be more.

        Tell their watchers, and end the watches. A server that was killed in between finds these nodes
        stale and still watched (`watched`).
        """
        nodes = ffi.new("uint64_t[]", limit)
        count, overflowed = ffi.new("size_t *"), ffi.new("int *")
        call(lib.hs_deletions, self._c, nodes, limit, count, overflowed)
        return Deletions(ffi.unpack(nodes, count[0]), bool(overflowed[0]))

    def sweep(self, start: int = 0, limit: int = PAGE) -> SweepStep:
        """Opens up to `limit` watched files from node `start` on, and retires those that are gone.

        After a restart, sweep from 0 until `next` is 0, then call `deletions` until it returns none.
        """
        nodes, step = ffi.new("uint64_t[]", limit), ffi.new("hs_sweep_step *")
        call(lib.hs_sweep, self._c, start, nodes, limit, step)
        found, overflowed = ffi.unpack(nodes, step.count), bool(step.overflowed)
        return SweepStep(found, overflowed, step.next, step.present, step.gone, step.skipped)
