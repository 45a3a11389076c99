"""What the library returns and is given: values that own nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from os import fsencode
from typing import Any, TypeAlias

from ._calls import call
from ._library import Descriptor, Name, descriptor, ffi, lib


class State(IntEnum):
    """The state of a node."""

    LIVE = lib.HS_STATE_LIVE
    #: Its file is gone; it never comes back.
    STALE = lib.HS_STATE_STALE


class Outcome(IntEnum):
    """What a registration did."""

    #: The file has got a new node.
    CREATED = lib.HS_OUTCOME_CREATED
    #: The file has the node that it had.
    EXISTING = lib.HS_OUTCOME_EXISTING
    #: A new node; the file that had the inode number before is gone.
    REPLACED = lib.HS_OUTCOME_REPLACED
    #: In a batch: its inode number belongs to another file now; no node.
    GONE = lib.HS_OUTCOME_GONE


class OpenMode(IntEnum):
    """How to open a file."""

    #: O_PATH: for files of any type, and does not touch the file.
    PATH = lib.HS_OPEN_PATH
    READ_ONLY = lib.HS_OPEN_READ_ONLY
    WRITE_ONLY = lib.HS_OPEN_WRITE_ONLY
    READ_WRITE = lib.HS_OPEN_READ_WRITE


@dataclass(frozen=True, slots=True)
class FileHandle:
    """A kernel file handle: its type and its 1 to 128 bytes, as from name_to_handle_at(2)."""

    type: int
    bytes: bytes

    def _write(self, c: Any) -> None:
        # A handle that is too long keeps its length, so that the library refuses it.
        c.length = len(self.bytes)
        c.type = self.type
        ffi.buffer(c.bytes)[: min(len(self.bytes), 128)] = self.bytes[:128]

    def _c(self) -> Any:
        handle = ffi.new("hs_handle *")
        self._write(handle)
        return handle

    @staticmethod
    def _read(c: Any) -> FileHandle:
        return FileHandle(c.type, bytes(ffi.buffer(c.bytes, c.length)))


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was found: what a store needs to register it.

    Handle and status belong to the same file. Get one from `file_of` or `file_at`; a server that has
    handle and status already may make one itself.
    """

    handle: FileHandle
    #: st_ino.
    inode: int
    #: st_size.
    size: int
    #: st_dev; never stored.
    device: int
    #: st_mode.
    mode: int
    #: st_nlink.
    links: int
    #: The node of the directory in which the file was found; 0 if not known.
    parent: int = 0

    def _write(self, c: Any) -> None:
        self.handle._write(c.handle)
        c.inode, c.size, c.device, c.parent = self.inode, self.size, self.device, self.parent
        c.mode, c.links = self.mode, self.links

    def _c(self) -> Any:
        file = ffi.new("hs_file *")
        self._write(file)
        return file

    @staticmethod
    def _read(c: Any) -> File:
        handle = FileHandle._read(c.handle)
        return File(handle, c.inode, c.size, c.device, c.mode, c.links, c.parent)


def file_of(fd: Descriptor, parent: int = 0) -> File:
    """Reads handle and status of an open file; O_PATH will do.

    Raises `HandleStoreError` with EOPNOTSUPP if the filesystem has no handles.
    """
    file = ffi.new("hs_file *")
    call(lib.hs_file_of, descriptor(fd), parent, file)
    return File._read(file)


def file_at(directory: Descriptor, name: Name, parent: int = 0) -> File:
    """Reads handle and status of a name in a directory. Does not follow a symbolic link.

    Raises `HandleStoreError` with ENOENT, ENOTDIR, EACCES and others.
    """
    file = ffi.new("hs_file *")
    encoded = fsencode(name)
    call(lib.hs_file_at, descriptor(directory), encoded, len(encoded), parent, file)
    return File._read(file)


@dataclass(frozen=True, slots=True)
class Node:
    """The store's record of one file."""

    id: int
    #: The node of its directory; 0 if not known.
    parent: int
    filesystem: int
    state: State
    #: The file's type, as in st_mode & S_IFMT.
    type: int
    #: When it entered its state, in seconds since 1970.
    since: int
    handle: FileHandle

    @staticmethod
    def _read(c: Any) -> Node:
        handle = FileHandle._read(c.handle)
        return Node(c.id, c.parent, c.filesystem, State(c.state), c.type, c.since, handle)


@dataclass(frozen=True, slots=True)
class Registration:
    """The node of a file that was registered."""

    #: The node's id; 0 with `Outcome.GONE`.
    node: int
    outcome: Outcome
    #: What goes on the wire with the id, the same for all nodes of a store.
    generation: int
    #: With `Outcome.REPLACED`: the node that is stale now; otherwise 0.
    replaced: int

    @staticmethod
    def _read(c: Any) -> Registration:
        return Registration(c.node, Outcome(c.outcome), c.generation, c.replaced)


class TokenLimit(IntEnum):
    """How long a token may be. Any number from NFS3 to MAX will do, too."""

    #: A token that names the node and is valid for this store only.
    REFERENCE = lib.HS_TOKEN_REFERENCE
    NFS3 = lib.HS_TOKEN_NFS3
    MAX = lib.HS_TOKEN_MAX


#: What a client names: a node (1 is the export's root), a token, or both: then the token counts if the
#: node is unknown or no longer leads to the file.
Reference: TypeAlias = int | bytes | tuple[int, bytes]


def c_reference(reference: Reference) -> tuple[Any, Any]:
    """Returns an hs_reference, and the token to which it points and which the caller must hold."""
    if isinstance(reference, bytes):
        node, token = 0, reference
    elif isinstance(reference, tuple):
        node, token = reference
    else:
        return ffi.new("hs_reference *", {"node": reference}), None
    # A token that is too long keeps its length, so that the gate refuses it.
    c_token = ffi.new("hs_token *", {"length": len(token), "bytes": token[:128]})
    return ffi.new("hs_reference *", {"node": node, "token": c_token}), c_token


def read_token(c: Any) -> bytes:
    return bytes(ffi.buffer(c.bytes, c.length))
