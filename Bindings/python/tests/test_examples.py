"""The examples, as their users run them: the FUSE server on a mount, and the dump."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
import unittest
from pathlib import Path

from handlestore import Store
from support import PlaceTest, python

EXAMPLES = Path(os.environ["HANDLESTORE_EXAMPLES"])
README = EXAMPLES.parent / "README.md"
# The interpreter of an environment that has pyfuse3.
FUSE_PYTHON = os.environ.get("HANDLESTORE_FUSE_PYTHON", "")


class PassthroughTests(PlaceTest):
    """An inode number on the mount is a node id."""

    def setUp(self) -> None:
        super().setUp()
        self.mount_path = os.path.join(self.place, "mount")
        os.mkdir(self.mount_path)
        self.start()
        self.addCleanup(self.stop)

    def start(self) -> None:
        script = str(EXAMPLES / "passthrough.py")
        self.server = subprocess.Popen(
            [FUSE_PYTHON, script, self.tree_path, self.mount_path, self.path]
        )
        end = time.monotonic() + 20
        while not os.path.ismount(self.mount_path):
            self.assertIsNone(self.server.poll(), "the server ended")
            self.assertLess(time.monotonic(), end, "the server did not mount")
            time.sleep(0.02)

    def stop(self) -> None:
        subprocess.run(["umount", self.mount_path], capture_output=True)
        try:
            self.server.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.server.kill()
        self.server.wait()
        subprocess.run(["umount", "--lazy", self.mount_path], check=True)

    def mounted(self, name: str) -> str:
        return os.path.join(self.mount_path, name)

    def inodes(self) -> dict[str, int]:
        """The numbers of all files, by what stat says; readdir must say the same."""
        found = {}
        for directory, _, _ in os.walk(self.mount_path):
            for entry in os.scandir(directory):
                name = os.path.relpath(entry.path, self.mount_path)
                found[name] = os.lstat(entry.path).st_ino
                self.assertEqual(entry.inode(), found[name])
        return found

    def test_inode_numbers_survive_a_restart_and_kill(self) -> None:
        for i in range(300):
            self.make(f"file {i}", str(i))
        os.makedirs(self.mounted("a/b/c"))
        Path(self.mounted("a/b/c/made here")).write_text("text")
        os.symlink("nowhere", self.mounted("a/link"))
        before = self.inodes()
        self.assertEqual(len(before), 305)
        self.assertEqual(len(set(before.values())), 305)

        self.stop()
        self.assertEqual(self.server.returncode, 0)
        self.start()
        self.assertEqual(self.inodes(), before)

        self.kill()
        os.rename(os.path.join(self.tree_path, "file 7"), os.path.join(self.tree_path, "a/renamed"))
        self.start()
        # Asked for by name, without the listing that showed it first.
        self.assertEqual(os.stat(self.mounted("a/renamed")).st_ino, before["file 7"])
        before["a/renamed"] = before.pop("file 7")
        self.assertEqual(self.inodes(), before)
        self.assertEqual(Path(self.mounted("a/b/c/made here")).read_text(), "text")

    def test_a_reused_inode_number_gets_another_one(self) -> None:
        self.make("file", "first")
        first = os.stat(self.mounted("file")).st_ino
        opened = os.open(self.mounted("."), os.O_PATH)
        handle = os.open(self.mounted("file"), os.O_PATH)
        self.kill()
        os.close(opened)
        os.close(handle)
        self.reuse("file")
        self.start()
        self.assertNotEqual(os.stat(self.mounted("file")).st_ino, first)
        self.assertEqual(Path(self.mounted("file")).read_text(), "another")

    def test_it_is_a_filesystem(self) -> None:
        path = Path(self.mounted("file"))
        path.write_text("text")
        path.chmod(0o640)
        os.chown(path, 5, 6)
        os.utime(path, ns=(10**18 + 1, 10**18 + 2))
        status, bare = path.stat(), os.stat("file", dir_fd=self.tree)
        for name in ("mode", "uid", "gid", "size", "nlink", "blocks", "mtime_ns", "atime_ns"):
            self.assertEqual(getattr(status, f"st_{name}"), getattr(bare, f"st_{name}"), name)
        self.assertEqual((status.st_uid, status.st_mtime_ns), (5, 10**18 + 2))
        os.link(path, self.mounted("hard"))
        self.assertEqual(os.stat(self.mounted("hard")).st_ino, status.st_ino)
        os.truncate(path, 2)
        with open(path, "a") as file:
            file.write("++")
            os.unlink(path)
            os.unlink(self.mounted("hard"))
            self.assertEqual(os.fstat(file.fileno()).st_nlink, 0)
        os.symlink("target", self.mounted("link"))
        self.assertEqual(os.readlink(self.mounted("link")), "target")
        os.mkfifo(self.mounted("fifo"))
        with self.assertRaises(FileExistsError):
            os.open(self.mounted("fifo"), os.O_CREAT | os.O_EXCL)
        with self.assertRaises(FileNotFoundError):
            path.stat()
        os.mkdir(self.mounted("folder"))
        with self.assertRaises(OSError):
            os.rmdir(self.mounted("folder/.."))
        os.rename(self.mounted("link"), self.mounted("folder/link"))
        self.assertEqual(sorted(os.listdir(self.mount_path)), ["fifo", "folder"])
        self.assertEqual(os.listdir(self.mounted("folder")), ["link"])

    def test_it_holds_no_descriptors(self) -> None:
        def count() -> int:
            return len(os.listdir(f"/proc/{self.server.pid}/fd"))

        before = count()
        for i in range(200):
            self.make(f"file {i}")
        self.assertEqual(len(self.inodes()), 200)
        self.assertLess(count(), before + 10)


class ReadmeTests(PlaceTest):
    """The programs in the README run as they stand, but for the paths."""

    def test_its_programs(self) -> None:
        self.make("report.txt", "text")
        server, dump = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
        self.assertIn("/srv/export", server)
        self.assertIn("/var/lib/server/nodes", server)
        server = server.replace("/srv/export", self.tree_path)
        server = server.replace("/var/lib/server/nodes", self.path)
        server += "\nprint(found.node, entry.node, os.read(fd, 9).decode())"
        told = subprocess.check_output(python(server), text=True)
        self.assertRegex(told, r"^(\d+) \1 text$")
        rows = subprocess.check_output(python(dump, self.path), text=True)
        self.assertRegex(rows, rf"(?m)^{told.split()[0]},LIVE,1,[0-9a-f]+$")


class DumpTests(PlaceTest):
    def test_csv_and_json(self) -> None:
        self.make("file")
        with Store(self.path) as store:
            node = store.get(self.register(store, "file").node)
            # The store is open for writing here.
            table = list(csv.DictReader(io.StringIO(self.dump())))
            [row] = [json.loads(line) for line in self.dump("json").splitlines()]
        self.assertEqual(len(table), 1)
        self.assertEqual(table[0], {name: str(value) for name, value in row.items()})
        self.assertEqual((row["id"], row["state"], row["type"]), (node.id, "live", "0o100000"))
        self.assertEqual(bytes.fromhex(row["handle"]), node.handle.bytes)

    def dump(self, *form: str) -> str:
        command = [sys.executable, str(EXAMPLES / "dump.py"), self.path, *form]
        return subprocess.check_output(command, text=True)


if __name__ == "__main__":
    unittest.main()
