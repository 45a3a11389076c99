"""Stores: node ids that survive the server."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Iterator, Sequence

from . import _cffi
from ._calls import call, fetch_all
from ._errors import Code, HandleStoreError
from ._export import Containment, Export, c_pins
from ._library import Descriptor, Name, descriptor, export_name, ffi, lib, path_bytes
from ._maintenance import Statistics
from ._pins import Pins
from ._values import File, FileHandle, Node, OpenMode, Registration, State
from ._watches import PAGE, Watches


class Durability(IntEnum):
    """What an acknowledged change survives."""

    #: A kill -9; after a power cut the store is checked.
    PROCESS = lib.HS_DURABILITY_PROCESS
    #: A power cut too.
    POWER = lib.HS_DURABILITY_POWER


class Store(Watches):
    """The store in a directory.

    A node id belongs to one file for ever. A node is opened after a restart, a rename, or a kill -9,
    and raises `StaleError` once its file is gone, even if another file has its inode number.

    One process at a time has a store open for writing; others may read it meanwhile. All calls may be
    made from any thread; they release the GIL. In a child of fork(2) each call raises
    `HandleStoreError` with `Code.FORKED`: open the store after the fork.
    """

    def __init__(
        self,
        path: Name,
        *,
        durability: Durability = Durability.PROCESS,
        read_only: bool = False,
        retain_seconds: int | None = None,
        retain_nodes: int | None = None,
        cache_size: int | None = None,
        limbo_limit: int | None = None,
    ):
        """Opens the store in a directory. Makes one if the directory is missing or empty.

        read_only: only reads; another process may write, and a missing store is an error.
        retain_seconds, retain_nodes: when `forget` and `evict` may drop a node that nobody holds: so
        many seconds after it became live or stale, or while the store has more nodes than so many.
        Without them, never.
        cache_size: how many nodes to keep in memory, at 66 bytes each.
        limbo_limit: how many deleted nodes to keep for those who watch them.
        """
        options = _options(durability, retain_seconds, retain_nodes, cache_size, limbo_limit)
        options.read_only = read_only
        store = ffi.new("hs_store **")
        call(lib.hs_store_open, path_bytes(path), options, store)
        super().__init__(store[0], lib.hs_store_free)

    @classmethod
    def in_memory(
        cls,
        *,
        retain_seconds: int | None = None,
        retain_nodes: int | None = None,
        cache_size: int | None = None,
        limbo_limit: int | None = None,
    ) -> Store:
        """Makes a store in memory, which is gone when it is closed. For tests of a server."""
        options = _options(0, retain_seconds, retain_nodes, cache_size, limbo_limit)
        pointer = ffi.new("hs_store **")
        call(lib.hs_store_open_in_memory, options, pointer)
        store = cls.__new__(cls)
        Watches.__init__(store, pointer[0], lib.hs_store_free)
        return store

    def close(self) -> None:
        """Flushes and closes the store. Does nothing if it is closed.

        Calls of other threads finish first; later ones raise `Code.CLOSED`, also those of exports and
        pins. If the last flush fails, the store is closed all the same. A store that was not closed
        counts as crashed, but loses nothing.
        """
        try:
            call(lib.hs_store_close, self._c)
        except HandleStoreError as error:
            if error.code != Code.CLOSED:
                raise

    @property
    def generation(self) -> int:
        """What goes on the wire with each node id: a random number that stays with the store."""
        return int(lib.hs_store_generation(self._c))

    # ---- Filesystems ----

    def attach(self, fd: Descriptor) -> int:
        """Attaches the filesystem of an open directory, and returns its id in this store.

        Its files can be opened from then on, and it cannot be unmounted before `detach` or `close`.
        Registering needs a filesystem that was attached once.
        """
        filesystem = ffi.new("uint32_t *")
        call(lib.hs_attach, self._c, descriptor(fd), filesystem)
        return int(filesystem[0])

    def attach_mounted(self) -> list[int]:
        """Attaches every filesystem of the store that is mounted, and returns their ids."""
        return fetch_all("uint32_t", lib.hs_attach_mounted, self._c)

    def detach(self, filesystem: int) -> None:
        """Lets go of a filesystem, so that it can be unmounted. Its nodes stay."""
        call(lib.hs_detach, self._c, filesystem)

    # ---- Nodes ----

    def register(self, filesystem: int, file: File, pins: Pins | None = None) -> Registration:
        """Returns the node of a file: the one that it has, or a new one, durably.

        If the inode number belonged to another file before, that file's node becomes stale
        (`Registration.replaced`). `pins` counts one pin of the node, so that it is not dropped. Raises
        `StaleError` if the inode number belongs to another file now.
        """
        result = ffi.new("hs_registration *")
        call(lib.hs_register, self._c, filesystem, file._c(), c_pins(pins), result)
        return Registration._read(result)

    def register_batch(
        self, filesystem: int, files: Sequence[File], pins: Pins | None = None
    ) -> list[Registration]:
        """Registers up to 65,536 files with one commit: much faster than one by one.

        Returns one registration for each file, in their order. If it fails, some may be registered,
        but none is pinned; call it again.
        """
        count = len(files)
        c_files, results = ffi.new("hs_file[]", count), ffi.new("hs_registration[]", count)
        for i, file in enumerate(files):
            file._write(c_files[i])
        call(lib.hs_register_batch, self._c, filesystem, c_files, count, c_pins(pins), results)
        return [Registration._read(results[i]) for i in range(count)]

    def get(self, node: int) -> Node:
        """Reads a node. A stale node is no error; see `Node.state`.

        Raises `StaleError` with `Code.UNKNOWN_NODE` if there is no such node.
        """
        result = ffi.new("hs_node *")
        call(lib.hs_get, self._c, node, result)
        return Node._read(result)

    def find(self, filesystem: int, handle: FileHandle) -> Node | None:
        """Reads the node of a handle. Returns `None` if no node has it."""
        result = ffi.new("hs_node *")
        call(lib.hs_find, self._c, filesystem, handle._c(), result)
        return Node._read(result) if result.id else None

    def open(self, node: int, mode: OpenMode) -> int:
        """Opens a node's file by its handle, and returns the descriptor, which the caller closes.

        Needs CAP_DAC_READ_SEARCH. What the caller may do with the file is not checked: that is the
        server's part. Raises `StaleError` if the file is gone, and retires the node.
        """
        fd = ffi.new("int *")
        call(lib.hs_open, self._c, node, mode, fd)
        return int(fd[0])

    def retire(self, node: int) -> bool:
        """Makes a node stale, because its file is gone. Returns `True` if it was live."""
        changed = ffi.new("int *")
        call(lib.hs_retire, self._c, node, changed)
        return bool(changed[0])

    def forget(self, node: int) -> bool:
        """Drops a node that nobody holds, if the store's retention allows it. Returns `True` if so.

        Its id is never used again.
        """
        dropped = ffi.new("int *")
        call(lib.hs_forget, self._c, node, dropped)
        return bool(dropped[0])

    def evict(self) -> int:
        """Drops all nodes that nobody holds and the retention allows to drop; returns how many.

        Takes time with the number of nodes; other calls go on meanwhile.
        """
        dropped = ffi.new("uint64_t *")
        call(lib.hs_evict, self._c, dropped)
        return int(dropped[0])

    def nodes(
        self, *, start: int = 0, filesystem: int | None = None, state: State | None = None
    ) -> Iterator[Node]:
        """Lists nodes in the order of their ids, from `start` on: all, or those of a filesystem or state.

        Reads them in pages, so that nodes which come or go meanwhile may be missing.
        """
        page, count, next = ffi.new("hs_node[]", PAGE), ffi.new("size_t *"), ffi.new("uint64_t *")
        next[0] = start
        while True:
            chosen = (filesystem or 0, state or 0)
            call(lib.hs_list, self._c, next[0], *chosen, page, PAGE, count, next)
            yield from [Node._read(page[i]) for i in range(count[0])]
            if not next[0]:
                return

    # ---- Pins, exports, moves ----

    def pins(self, fd: Descriptor) -> Pins:
        """Opens the pins of one client, in a file that outlives the server. Keeps no descriptor."""
        return Pins(self, fd)

    def add_export(
        self,
        name: str,
        roots: Sequence[Descriptor],
        *,
        read_only: bool = False,
        containment: Containment = Containment.ANY,
    ) -> Export:
        """Adds an export of 1 to 16 open directories, the upper layer first, and opens it.

        Attaches their filesystems. The descriptors may be closed afterwards.
        """
        return Export._add(self, name, roots, read_only, containment)

    def open_export(self, name: str) -> Export:
        """Opens an export by its name. Attaches its filesystems, which must be mounted."""
        return Export._open(self, name)

    def remove_export(self, name: str) -> None:
        """Removes an export from the store. Its nodes stay, and one that is open goes on working."""
        call(lib.hs_export_remove, self._c, export_name(name))

    def copy_up(self, node: int, filesystem: int, copy: File) -> Registration:
        """Gives a node another file: the copy of its file on the upper layer of a union.

        The node keeps the old handle as an alias, by which its tokens still lead to it.
        """
        result = ffi.new("hs_registration *")
        call(lib.hs_copy_up, self._c, node, filesystem, copy._c(), result)
        return Registration._read(result)

    def record_move(self, filesystem: int, file: File, directory: int) -> int | None:
        """Records that a file has a name in another directory now, and returns its node if it has one.

        Call it after a rename into another directory, an exchange or a link. An export looks there
        when the kernel has forgotten the name.
        """
        node = ffi.new("uint64_t *")
        call(lib.hs_record_move, self._c, filesystem, file._c(), directory, node)
        return int(node[0]) or None

    # ---- Maintenance ----

    def statistics(self) -> Statistics:
        """Returns counts since the store was opened."""
        statistics = ffi.new("hs_statistics *")
        statistics.size = ffi.sizeof("hs_statistics")
        call(lib.hs_store_statistics, self._c, statistics)
        return Statistics._read(statistics)

    def backup(self, path: Name) -> None:
        """Writes a copy of the store as it is now to a directory, which must be empty or missing."""
        call(lib.hs_store_backup, self._c, path_bytes(path))


def _options(
    durability: int,
    retain_seconds: int | None,
    retain_nodes: int | None,
    cache_size: int | None,
    limbo_limit: int | None,
) -> Any:
    if retain_seconds is not None and retain_nodes is not None:
        raise ValueError("a store retains nodes by seconds or by their number, not by both")
    initial = [
        getattr(lib, value) if value.startswith("HS_") else int(value)
        for value in _cffi.STORE_OPTIONS_INIT
    ]
    options = ffi.new("hs_store_options *", [ffi.sizeof("hs_store_options"), *initial])
    options.durability = durability
    if retain_seconds is not None:
        options.retention, options.retention_value = lib.HS_RETAIN_SECONDS, retain_seconds
    if retain_nodes is not None:
        options.retention, options.retention_value = lib.HS_RETAIN_NODES, retain_nodes
    if cache_size is not None:
        options.cache_size = cache_size
    if limbo_limit is not None:
        options.limbo_limit = limbo_limit
    return options
