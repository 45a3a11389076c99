internal import CHandleSys
public import SystemPackage

/// The entries of an open directory, `.` and `..` left out (`getdents64(2)`).
public struct DirectoryEntries {
  /// A name and what the directory says of it.
  public struct Entry {
    /// What an entry says besides its name.
    struct Head {
      let inode: UInt64
      let type: FileType
    }

    /// One component, byte for byte as it is on the filesystem.
    public let name: FilePath
    /// The inode number, `d_ino`.
    public let inode: UInt64
    /// The type, `d_type`; raw value 0 where the filesystem does not say.
    public let type: FileType
  }

  private let descriptor: FileDescriptor
  private var buffer = [UInt8](repeating: 0, count: 32 << 10)
  private var filled = 0
  private var offset = 0

  /// Reads from where `descriptor`, an open directory, stands; it is not closed.
  public init(of descriptor: FileDescriptor) { self.descriptor = descriptor }

  /// The next entry, or `nil` at the end.
  ///
  /// - Throws: what `getdents64(2)` gives: `ENOTDIR`, `EBADF`, `EIO`.
  /// - Complexity: O(1) and a system call for each 32 KiB.
  public mutating func next() throws(Errno) -> Entry? { try next { _ in true } }

  /// The next entry that may be wanted, by what it says besides its name.
  mutating func next(where mayBe: (Entry.Head) -> Bool) throws(Errno) -> Entry? {
    while true {
      if offset == filled {
        offset = 0
        filled = Int(
          try retried {
            unsafe hs_read_directory(descriptor.rawValue, &buffer, buffer.count)
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
    var inode: UInt64 = 0
    for i in (0..<8).reversed() { inode = inode << 8 | UInt64(buffer[offset + i]) }
    return Entry.Head(
      inode: inode, type: FileType(rawValue: CInterop.Mode(buffer[offset + 18]) << 12))
  }

  private var recordLength: Int { Int(buffer[offset + 16]) | Int(buffer[offset + 17]) << 8 }

  private func name() -> FilePath {
    FilePath(
      platformString: buffer[(offset + 19)..<(offset + recordLength)].map { CChar(bitPattern: $0) })
  }
}
