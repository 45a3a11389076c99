"""The binding covers handlestore.h: a function or constant that it does not know fails here."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import handlestore
from handlestore._library import ffi, lib
from handlestore._store import _options

HEADER = (Path(os.environ["HANDLESTORE_LIBRARY"]) / "handlestore.h").read_text()
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
PACKAGE = Path(handlestore.__file__).parent
USED = set(
    re.findall(
        r"\blib\.(\w+)",
        "".join(path.read_text() for path in PACKAGE.glob("*.py") if path.name != "_cffi.py"),
    )
)
# Constants that have no name in Python: what they say is said by None, an exception or a parameter.
IMPLIED = {"HS_OK", "HS_RETAIN_FOREVER"}


class HeaderTests(unittest.TestCase):
    def test_every_function_is_called(self) -> None:
        declared = set(re.findall(r"\b(hs_[a-z_]+)\(", CODE))
        self.assertGreater(len(declared), 60)
        self.assertEqual(declared, {name for name in USED if name.startswith("hs_")})

    def test_every_constant_has_a_name(self) -> None:
        blocks = re.findall(r"^enum \{(.*?)^\};", CODE, flags=re.DOTALL | re.MULTILINE)
        declared = set(re.findall(r"\bHS_\w+", "".join(blocks)))
        self.assertGreater(len(declared), 80)
        self.assertEqual(declared - IMPLIED, {name for name in USED if name.startswith("HS_")} - IMPLIED)

    def test_every_member_is_read_or_written(self) -> None:
        sources = [path.read_text() for path in PACKAGE.glob("*.py") if path.name != "_cffi.py"]
        words = set(re.findall(r"\w+", "".join(sources)))
        for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\}", CODE, flags=re.DOTALL):
            for member in re.findall(r"(\w+)(?:\[\d+\])?[,;]", body):
                if member not in ("reserved", "size"):
                    self.assertIn(member, words, f"{name}.{member}")

    def test_layouts_and_initial_options_are_those_of_c(self) -> None:
        structs = re.findall(r"typedef struct (\w+) \{", CODE)
        options = ["durability", "read_only", "retention", "retention_value", "cache_size", "limbo_limit"]
        lines = [f'printf("%zu ", sizeof({name}));' for name in structs]
        lines += [f'printf("%llu ", (unsigned long long)options.{name});' for name in options]
        program = f"""
            #include <handlestore.h>
            #include <stdio.h>
            int main(void) {{ hs_store_options options = HS_STORE_OPTIONS_INIT; {"".join(lines)} }}
        """
        with tempfile.TemporaryDirectory() as place:
            include = "-I" + os.environ["HANDLESTORE_LIBRARY"]
            command = ["gcc", include, "-x", "c", "-o", f"{place}/program", "-"]
            subprocess.run(command, input=program, text=True, check=True)
            told = [int(word) for word in subprocess.check_output(f"{place}/program").split()]
        ours = _options(0, None, None, None, None)
        expected = [ffi.sizeof(name) for name in structs] + [getattr(ours, name) for name in options]
        self.assertEqual(told, expected)
        self.assertEqual(ours.size, ffi.sizeof("hs_store_options"))

    def test_version(self) -> None:
        version = re.search(r'HS_VERSION "(.*)"', HEADER)
        assert version is not None
        numbers = (lib.HS_VERSION_MAJOR, lib.HS_VERSION_MINOR, lib.HS_VERSION_PATCH)
        self.assertEqual(handlestore.library_version(), version[1])
        self.assertEqual(".".join(map(str, numbers)), version[1])

    def test_everything_public_is_documented(self) -> None:
        for name in handlestore.__all__:
            value = getattr(handlestore, name)
            if not isinstance(value, type):
                continue
            self.assertTrue(value.__doc__, name)
            for member, function in vars(value).items():
                if not member.startswith("_") and callable(function):
                    self.assertTrue(function.__doc__, f"{name}.{member}")


if __name__ == "__main__":
    unittest.main()
