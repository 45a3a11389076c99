"""Statistics, and the check of a store that is closed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ._calls import call
from ._errors import Refusal
from ._library import Name, ffi, lib, path_bytes


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the store was opened."""

    #: Registrations by their outcome.
    created: int
    existing: int
    replaced: int
    #: Nodes.
    retired: int
    dropped: int
    #: Nodes read by id, and how many of them were in memory.
    gets: int
    cache_hits: int
    #: Files.
    opened: int
    #: Handles made again after an open, and compared.
    compared: int
    #: What passed the gate of an export, and what did not.
    admitted: int
    refused: dict[Refusal, int]

    @staticmethod
    def _read(c: Any) -> Statistics:
        counts = {field.name: getattr(c, field.name) for field in fields(Statistics)}
        counts["refused"] = {refusal: c.refused[refusal] for refusal in Refusal}
        return Statistics(**counts)


class CheckResult(NamedTuple):
    """How many things are wrong with a store, and a text that names the first of them."""

    findings: int
    text: str


def check(path: Name) -> CheckResult:
    """Checks the store in a directory without LMDB, so that no damage can crash the process.

    The process must not have the store open; another process may write to it.
    """
    findings, text = ffi.new("uint64_t *"), ffi.new("char[]", 65536)
    call(lib.hs_store_check, path_bytes(path), findings, text, len(text))
    return CheckResult(int(findings[0]), ffi.string(text).decode("utf-8", "replace"))


def library_version() -> str:
    """Returns the version of the library that the wheel carries, as "0.2.0"."""
    return str(ffi.string(lib.hs_version()).decode())
