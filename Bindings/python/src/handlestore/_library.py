"""Loads libhandlestore, and turns descriptors, paths and names into what it takes."""

from __future__ import annotations

import os
from typing import Any, Protocol, TypeAlias

from . import _cffi

ffi: Any = _cffi.ffi

try:
    lib: Any = ffi.dlopen(os.path.join(os.path.dirname(__file__), "libhandlestore.so.0"))
except OSError as reason:
    raise ImportError(
        f"handlestore cannot load its library: {reason}. It needs liblmdb, libsodium and libstdc++;"
        " on Debian: apt-get install liblmdb0 libsodium23 libstdc++6"
    ) from reason


class HasFileno(Protocol):
    def fileno(self) -> int: ...


#: An open descriptor, or an object that has one, such as a file or a socket.
Descriptor: TypeAlias = int | HasFileno
#: The name of a file: one component, which need not be UTF-8 if it is bytes.
Name: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def descriptor(value: Descriptor) -> int:
    return value if isinstance(value, int) else value.fileno()


def path_bytes(path: Name) -> bytes:
    """Returns a path for C, which ends it at its first NUL."""
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError("embedded null byte in a path")
    return encoded


def export_name(name: str) -> bytes:
    if "\0" in name:
        raise ValueError("embedded null character in the name of an export")
    # What is not UTF-8 stays so: the library says what is wrong with it.
    return name.encode("utf-8", "surrogateescape")
