"""The errors of the library."""

from __future__ import annotations

import errno as numbers
from enum import IntEnum
from typing import Any, NoReturn

from ._library import ffi, lib


class Code(IntEnum):
    """Which error it is. A code keeps its number in every version."""

    STALE = lib.HS_STALE
    STALE_HANDLE = lib.HS_STALE_HANDLE
    UNKNOWN_NODE = lib.HS_UNKNOWN_NODE
    UNKNOWN_FILESYSTEM = lib.HS_UNKNOWN_FILESYSTEM
    NOT_ATTACHED = lib.HS_NOT_ATTACHED
    WRONG_FILESYSTEM = lib.HS_WRONG_FILESYSTEM
    AMBIGUOUS_FILESYSTEM = lib.HS_AMBIGUOUS_FILESYSTEM
    TOO_MANY_FILESYSTEMS = lib.HS_TOO_MANY_FILESYSTEMS
    NO_HANDLES = lib.HS_NO_HANDLES
    NOT_OPENABLE = lib.HS_NOT_OPENABLE
    NOT_OPENABLE_HANDLE = lib.HS_NOT_OPENABLE_HANDLE
    REFUSED = lib.HS_REFUSED
    NO_EXPORT = lib.HS_NO_EXPORT
    BAD_EXPORT = lib.HS_BAD_EXPORT
    READ_ONLY_EXPORT = lib.HS_READ_ONLY_EXPORT
    UNAVAILABLE = lib.HS_UNAVAILABLE
    TOKEN_TOO_LONG = lib.HS_TOKEN_TOO_LONG
    BAD_NAME = lib.HS_BAD_NAME
    MOUNT_POINT = lib.HS_MOUNT_POINT
    EXPOSED_KEYS = lib.HS_EXPOSED_KEYS
    NO_KEYS = lib.HS_NO_KEYS
    UNUSABLE_KEYS = lib.HS_UNUSABLE_KEYS
    NO_KEY = lib.HS_NO_KEY
    DAMAGED_FILE = lib.HS_DAMAGED_FILE
    FOREIGN_FILE = lib.HS_FOREIGN_FILE
    IN_USE = lib.HS_IN_USE
    ALREADY_OPEN = lib.HS_ALREADY_OPEN
    READ_ONLY_STORE = lib.HS_READ_ONLY_STORE
    CLOSED = lib.HS_CLOSED
    FORKED = lib.HS_FORKED
    NO_STORE = lib.HS_NO_STORE
    NOT_A_STORE = lib.HS_NOT_A_STORE
    UNSUPPORTED_VERSION = lib.HS_UNSUPPORTED_VERSION
    DAMAGED = lib.HS_DAMAGED
    TORN = lib.HS_TORN
    TORN_COPY = lib.HS_TORN_COPY
    SHARED_DATA = lib.HS_SHARED_DATA
    BAD_VALUE = lib.HS_BAD_VALUE
    UNEXPECTED = lib.HS_UNEXPECTED
    DISK_FULL = lib.HS_DISK_FULL
    TOO_MANY_OPEN_FILES = lib.HS_TOO_MANY_OPEN_FILES
    TOO_MANY_CALLERS = lib.HS_TOO_MANY_CALLERS
    NOT_PERMITTED = lib.HS_NOT_PERMITTED
    SYSTEM = lib.HS_SYSTEM
    DATABASE = lib.HS_DATABASE

    @property
    def summary(self) -> str:
        """A few words on the code. The text of an error says more."""
        return str(ffi.string(lib.hs_strerror(self.value)).decode())


class Refusal(IntEnum):
    """Which check of an export's gate refused a client's token or node, in their order."""

    LENGTH = lib.HS_REFUSED_LENGTH
    HANDLE_TYPE = lib.HS_REFUSED_HANDLE_TYPE
    VERSION = lib.HS_REFUSED_VERSION
    KEY = lib.HS_REFUSED_KEY
    SIGNATURE = lib.HS_REFUSED_SIGNATURE
    EXPORT = lib.HS_REFUSED_EXPORT
    UNKNOWN_NODE = lib.HS_REFUSED_UNKNOWN_NODE
    STALE = lib.HS_REFUSED_STALE
    REPLACED = lib.HS_REFUSED_REPLACED
    FILE_TYPE = lib.HS_REFUSED_FILE_TYPE
    OUTSIDE = lib.HS_REFUSED_OUTSIDE


class HandleStoreError(OSError):
    """A call of the library failed.

    `errno` is what a file server replies to its client, `code` says which error it is, and `strerror`
    names what failed, why, and what to do. `refusal` is the check that refused, if `code` is
    `Code.REFUSED`, and otherwise `None`.
    """

    def __init__(
        self,
        errno: int,
        text: str,
        code: Code = Code.UNEXPECTED,
        refusal: Refusal | None = None,
    ):
        super().__init__(errno, text)
        self.code = code
        self.refusal = refusal

    @property
    def text(self) -> str:
        """What failed, why, and what to do."""
        return self.strerror or ""


class StaleError(HandleStoreError):
    """A server replies ESTALE: the file is gone, its node is unknown, or a gate refused it."""


def raise_error(error: Any) -> NoReturn:
    """Raises what a call wrote to its hs_error."""
    kind = StaleError if error.errnum == numbers.ESTALE else HandleStoreError
    text = ffi.string(error.text).decode("utf-8", "replace")
    refusal = Refusal(error.refusal) if error.refusal else None
    raise kind(error.errnum, text, Code(error.code), refusal)


def closed(name: str) -> HandleStoreError:
    return HandleStoreError(numbers.EBADF, f"The {name} was closed.", Code.CLOSED)
