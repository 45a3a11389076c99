internal import CHandleSys
public import SystemPackage

/// The entries of an open directory, without `.` and `..` (`getdents64(2)`).
public struct DirectoryEntries {
  /// One entry of a directory.
  public struct Entry {
    /// The fields of an entry besides its name.
    struct Head {
      let inode: UInt64
      let type: FileType
    }

    /// One component, byte for byte as it is on the filesystem.
    public let name: FilePath
    /// The inode number, `d_ino`.
    public let inode: UInt64
    /// The file's type, `d_type`; raw value 0 if the filesystem does not report it.
    public let type: FileType
  }

  let descriptor: FileDescriptor
  private var buffer = [UInt8](repeating: 0, count: 32 << 10)
  private var filled = 0
  private var offset = 0

  /// Reads entries from the current offset of `descriptor`, an open directory. The descriptor stays
  /// the caller's to close.
  public init(of descriptor: FileDescriptor) { self.descriptor = descriptor }

  /// Reads the next entry; `nil` at the end.
  mutating func read() throws(Errno) -> Entry? { try read { _ in true } }

  /// Reads the next entry whose head satisfies `mayBe`; `nil` at the end. Builds no names for the
  /// entries that it skips.
  mutating func read(where mayBe: (Entry.Head) -> Bool) throws(Errno) -> Entry? {
    while true {
      if offset == filled {
        offset = 0
        filled = Int(
          try retried {
            unsafe hsys_read_directory(descriptor.rawValue, &buffer, buffer.count)
          })
        if filled == 0 { return nil }
      }
      let head = head()
      guard mayBe(head) else {
        offset += recordLength
        continue
      }
      let entry = Entry(name: name(), inode: head.inode, type: head.type)
      offset += recordLength
      if entry.name != "." && entry.name != ".." { return entry }
    }
  }

  // MARK: The `struct linux_dirent64` at the offset

  private func head() -> Entry.Head {
    Entry.Head(
      inode: buffer.uint64(at: offset),
      type: FileType(rawValue: CInterop.Mode(buffer[offset + 18]) << 12))
  }

  private var recordLength: Int { buffer.uint16(at: offset + 16) }

  private func name() -> FilePath {
    FilePath(bytes: buffer[(offset + 19)..<(offset + recordLength)])
  }
}
