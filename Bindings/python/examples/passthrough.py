#!/usr/bin/python3
"""A passthrough FUSE server whose inode numbers survive it:  passthrough.py SOURCE MOUNTPOINT STORE

It shows SOURCE at MOUNTPOINT. Each file has the store's node id as its inode number: after a restart, a
kill -9 or a rename behind the server's back a file has the number that it had, and no other file ever
gets it. The server has a descriptor for open files only. Needs root and pyfuse3 (Debian: python3-pyfuse3).
After a kill -9, unmount before the next start; Docs/HandleFS.md says how a server can keep its mount.
"""

import errno
import inspect
import os
import stat
import sys
from contextlib import contextmanager, suppress

import pyfuse3
import trio
from handlestore import Code, HandleStoreError, OpenMode, Store, file_at

TIMEOUT = 1  # The kernel may keep names and attributes for so many seconds.
RETAINED_NODES = 1_000_000  # Nodes that the kernel has forgotten stay until there are so many.
MODES = (OpenMode.READ_ONLY, OpenMode.WRITE_ONLY, OpenMode.READ_WRITE)  # By flags & O_ACCMODE.
STATUS = "mode nlink uid gid rdev size blksize blocks atime_ns mtime_ns ctime_ns".split()


def replies_errno(server):
    """Lets each handler reply the errno of an OSError, such as ESTALE from the store."""
    for name, handler in list(vars(server).items()):
        if inspect.iscoroutinefunction(handler):
            setattr(server, name, replying(handler))
    return server


def replying(handler):
    async def reply(*arguments):
        try:
            return await handler(*arguments)
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno) from error

    return reply


@replies_errno
class Passthrough(pyfuse3.Operations):
    def __init__(self, store, source):
        super().__init__()
        self.store = store
        root = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
        self.filesystem = store.attach(root)
        try:
            self.export = store.open_export(os.path.realpath(source))
        except HandleStoreError as error:
            if error.code != Code.NO_EXPORT:
                raise
            self.export = store.add_export(os.path.realpath(source), [root])
        os.close(root)
        # How often the kernel looked up a node. Here it forgets all when the server ends; a server that
        # keeps its mount gets the memfd from the process that mounted.
        self.pins = store.pins(os.memfd_create("pins"))
        self.nodes = {}  # By descriptors of open files and directories.
        self.names = {}  # Of each open directory, as it was at the first readdir.

    @contextmanager
    def opened(self, node):
        """Opens a node's file, wherever in SOURCE it is now. SOURCE itself is node 1."""
        # If it is open and has no name any more, the export does not find it.
        for fd, open_node in self.nodes.items():
            if open_node == node:
                yield fd
                return
        fd = self.export.open(node, OpenMode.PATH)
        try:
            yield fd
        finally:
            os.close(fd)

    def attributes(self, node, status):
        is_root = node in (pyfuse3.ROOT_INODE, self.export.root)
        reply = pyfuse3.EntryAttributes()
        for name in STATUS:
            setattr(reply, f"st_{name}", getattr(status, f"st_{name}"))
        reply.st_ino = pyfuse3.ROOT_INODE if is_root else node
        reply.generation = 0 if is_root else self.store.generation
        reply.entry_timeout = reply.attr_timeout = TIMEOUT
        return reply

    def find(self, parent, name):
        """Looks up a name, and counts a pin of its node."""
        entry = self.export.lookup(parent, name, pins=self.pins)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "no such name")
        return self.attributes(entry.node, entry.status)

    async def lookup(self, parent, name, context):
        return self.find(parent, name)

    async def forget(self, forgotten):
        for node, count in forgotten:
            # If a node cannot be dropped, because the disk is full, it stays.
            with suppress(HandleStoreError):
                if self.pins.unpin(node, count) == 0:
                    self.store.forget(node)

    async def getattr(self, node, context):
        with self.opened(node) as fd:
            return self.attributes(node, os.stat(fd))

    async def setattr(self, node, new, fields, fh, context):
        with self.opened(node) as fd:
            # Calls that take no O_PATH descriptor take this path, also of a symbolic link.
            path, old = f"/proc/self/fd/{fd}", os.stat(fd)
            if fields.update_uid:
                os.chown(path, new.st_uid, -1)
            if fields.update_gid:
                os.chown(path, -1, new.st_gid)
            if fields.update_mode:
                os.chmod(path, stat.S_IMODE(new.st_mode))
            if fields.update_size:
                os.truncate(path, new.st_size)
            if fields.update_atime or fields.update_mtime:
                atime = new.st_atime_ns if fields.update_atime else old.st_atime_ns
                mtime = new.st_mtime_ns if fields.update_mtime else old.st_mtime_ns
                os.utime(path, ns=(atime, mtime))
            return self.attributes(node, os.stat(fd))

    async def readlink(self, node, context):
        with self.opened(node) as fd:
            return os.fsencode(os.readlink("", dir_fd=fd))

    def make(self, call, parent, name, context):
        """Makes a file by a call that takes a directory, and gives it to the user who asked."""
        with self.opened(parent) as directory:
            call(directory)
            self.give(directory, name, context)
            return self.find(parent, name)

    def give(self, directory, name, context):
        group = -1 if os.stat(directory).st_mode & stat.S_ISGID else context.gid
        os.chown(name, context.uid, group, dir_fd=directory, follow_symlinks=False)

    async def mkdir(self, parent, name, mode, context):
        return self.make(lambda fd: os.mkdir(name, mode & 0o7777, dir_fd=fd), parent, name, context)

    async def mknod(self, parent, name, mode, device, context):
        return self.make(lambda fd: os.mknod(name, mode, device, dir_fd=fd), parent, name, context)

    async def symlink(self, parent, name, target, context):
        return self.make(lambda fd: os.symlink(target, name, dir_fd=fd), parent, name, context)

    async def link(self, node, parent, name, context):
        with self.opened(node) as fd, self.opened(parent) as directory:
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=directory, follow_symlinks=True)
            self.moved(directory, name, parent)
            return self.find(parent, name)

    async def unlink(self, parent, name, context):
        with self.opened(parent) as directory:
            os.unlink(name, dir_fd=directory)

    async def rmdir(self, parent, name, context):
        with self.opened(parent) as directory:
            os.rmdir(name, dir_fd=directory)

    async def rename(self, parent, name, new_parent, new_name, flags, context):
        if flags:  # Python has no renameat2(2).
            raise OSError(errno.EINVAL, "no such rename")
        with self.opened(parent) as old, self.opened(new_parent) as new:
            os.rename(name, new_name, src_dir_fd=old, dst_dir_fd=new)
            self.moved(new, new_name, new_parent)

    def moved(self, directory, name, parent):
        """Tells the store where to look for a file when the kernel has forgotten its name."""
        node = self.export.root if parent == pyfuse3.ROOT_INODE else parent
        self.store.record_move(self.filesystem, file_at(directory, name), node)

    async def open(self, node, flags, context):
        fd = self.export.open(node, MODES[flags & os.O_ACCMODE])
        self.nodes[fd] = node
        if flags & os.O_TRUNC:
            os.truncate(fd, 0)
        return pyfuse3.FileInfo(fh=fd)

    async def create(self, parent, name, mode, flags, context):
        how = MODES[flags & os.O_ACCMODE]
        entry = self.export.create_or_open(parent, name, how, mode & 0o7777, pins=self.pins)
        self.nodes[entry.fd] = entry.node
        if entry.was_created:
            with self.opened(parent) as directory:
                self.give(directory, name, context)
        elif flags & os.O_EXCL:  # Another one made it since the kernel looked.
            self.close(entry.fd)
            self.pins.unpin(entry.node)
            raise FileExistsError(errno.EEXIST, "the file exists")
        elif flags & os.O_TRUNC:
            os.truncate(entry.fd, 0)
        return pyfuse3.FileInfo(fh=entry.fd), self.attributes(entry.node, os.stat(entry.fd))

    async def read(self, fh, offset, size):
        return os.pread(fh, size, offset)

    async def write(self, fh, offset, data):
        return os.pwrite(fh, data, offset)

    async def fsync(self, fh, only_data):
        os.fdatasync(fh) if only_data else os.fsync(fh)

    async def release(self, fh):
        self.close(fh)

    releasedir = release

    def close(self, fd):
        del self.nodes[fd]
        self.names.pop(fd, None)
        os.close(fd)

    async def opendir(self, node, context):
        fd = self.export.open(node, OpenMode.READ_ONLY)
        self.nodes[fd] = node
        return fd

    async def readdir(self, fh, start, reply):
        if start == 0:
            self.names[fh] = [os.fsencode(name) for name in os.listdir(fh)]
        for number, name in enumerate(self.names[fh][start:], start + 1):
            with suppress(OSError):  # It is gone since, or a mount point.
                found = self.find(self.nodes[fh], name)
                if not pyfuse3.readdir_reply(reply, name, found, number):
                    self.pins.unpin(found.st_ino)
                    return


def main():
    source, mountpoint, path = sys.argv[1:]
    os.umask(0)  # The kernel has applied the client's.
    with Store(path, retain_nodes=RETAINED_NODES) as store:
        options = pyfuse3.default_options | {"fsname=passthrough", "allow_other"}
        pyfuse3.init(Passthrough(store, source), mountpoint, options)
        try:
            trio.run(pyfuse3.main)
        finally:
            pyfuse3.close()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: passthrough.py SOURCE MOUNTPOINT STORE")
    main()
