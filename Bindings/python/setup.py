"""Builds the wheel around the C library in the directory that HANDLESTORE_LIBRARY names.

The directory is one that Scripts/clibrary wrote: it has handlestore.h and libhandlestore.so.0. The header
is the only source of declarations, constants and the version.
"""

import os
import re
import shutil
from pathlib import Path

from cffi import FFI
from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

LIBRARY = "libhandlestore.so.0"


def library_directory() -> Path:
    directory = Path(os.environ.get("HANDLESTORE_LIBRARY") or "no directory")
    for name in ("handlestore.h", LIBRARY):
        if not (directory / name).is_file():
            raise SystemExit(
                f"{directory / name} is missing; set HANDLESTORE_LIBRARY to the directory"
                " that Scripts/clibrary wrote"
            )
    return directory


def without_comments(header: str) -> str:
    return re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL).replace("\\\n", " ")


def declarations(header: str) -> str:
    """Returns what cffi parses: the declarations, and the macros that are numbers."""
    header = re.sub(r"#ifdef __cplusplus.*?#endif", "", without_comments(header), flags=re.DOTALL)
    lines = header.splitlines()
    return "\n".join(
        line for line in lines if not line.startswith("#") or re.fullmatch(r"#define \w+ \d+", line)
    )


def initial_options(header: str) -> list[str]:
    """Returns the members of HS_STORE_OPTIONS_INIT after the size: numbers and constants."""
    macro = r"#define HS_STORE_OPTIONS_INIT\s+\{sizeof\(hs_store_options\), ([^}]*)\}"
    found = re.search(macro, without_comments(header))
    if found is None:
        raise SystemExit("handlestore.h has no HS_STORE_OPTIONS_INIT that setup.py understands")
    return [member.strip() for member in found[1].split(",")]


def version(header: str) -> str:
    found = re.search(r'#define HS_VERSION "([^"]+)"', header)
    if found is None:
        raise SystemExit("handlestore.h has no HS_VERSION")
    return found[1]


class BuildPackage(build_py):
    """Adds the library, and the module with the header's declarations."""

    def run(self) -> None:
        super().run()
        package = Path(self.build_lib) / "handlestore"
        shutil.copy(directory / LIBRARY, package / LIBRARY)
        builder = FFI()
        builder.set_source("handlestore._cffi", None)
        builder.cdef(declarations(header))
        module = package / "_cffi.py"
        builder.emit_python_code(str(module))
        with module.open("a") as file:
            file.write(f"\nSTORE_OPTIONS_INIT = {initial_options(header)}\n")


class LinuxDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


class BuildWheel(bdist_wheel):
    def get_tag(self) -> tuple[str, str, str]:
        """Any Python 3, but one platform: the library is loaded and not linked."""
        return "py3", "none", super().get_tag()[2]


directory = library_directory()
header = (directory / "handlestore.h").read_text()
setup(
    version=version(header),
    distclass=LinuxDistribution,
    cmdclass={"build_py": BuildPackage, "bdist_wheel": BuildWheel},
)
