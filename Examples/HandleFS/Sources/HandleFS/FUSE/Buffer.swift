internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// A block of memory for data that is read; one thread at a time uses it, for one request after the
/// other.
@safe final class Buffer {
  private let start: UnsafeMutableRawPointer
  let size: Int

  init(size: Int) {
    unsafe start = .allocate(byteCount: size, alignment: 4096)
    self.size = size
  }

  deinit { unsafe start.deallocate() }

  func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe body(UnsafeRawBufferPointer(start: start, count: size))
  }

  /// Reads up to `count` bytes at an offset (`pread(2)`); returns how many bytes there were.
  func read(_ file: BackingFile, count: Int, at offset: Int) throws(Errno) -> Int {
    try checked(
      unsafe hf_read_at(
        file.number, start, min(count, size), offset))
  }

  /// Returns how many of `bytes` a file has at an offset, fewer if the file ends within them; 0 if
  /// it has other bytes there.
  func countOf(
    _ bytes: RequestBytes, thatHas file: BackingFile, at offset: Int
  ) throws(Errno) -> Int {
    let count = try read(file, count: bytes.count, at: offset)
    guard let wanted = unsafe bytes.start else { return 0 }
    return unsafe memcmp(start, wanted, count) == 0 ? count : 0
  }

  /// Reads entries of a directory (`getdents64(2)`), about `limit` bytes, from `offset` on, or from
  /// the directory's current position if `offset` is `nil`; returns how many bytes were filled.
  func readEntries(
    _ directory: BackingFile, at offset: Int?, limit: Int
  ) throws(Errno) -> Int {
    let size = min(max(limit, 1024), size)
    return try checked(
      unsafe hf_read_entries(directory.number, start, size, offset ?? -1))
  }

  /// Returns how many bytes an entry takes in READDIRPLUS's format.
  static func length(of entry: DirectoryEntry) -> Int {
    unsafe entry.name.withPlatformString {
      unsafe fuse_add_direntry_plus(nil, nil, 0, $0, nil, 0)
    }
  }

  /// Returns the entry of `getdents64(2)` at a place in the buffer, and its length.
  func entry(at place: Int) -> (entry: DirectoryEntry, length: Int) {
    let raw = unsafe start + place
    let length = unsafe Int(raw.load(fromByteOffset: 16, as: UInt16.self))
    let entry = unsafe DirectoryEntry(
      inode: raw.load(as: UInt64.self), next: raw.load(fromByteOffset: 8, as: Int.self),
      type: raw.load(fromByteOffset: 18, as: UInt8.self),
      name: FilePath(platformString: (raw + 19).assumingMemoryBound(to: CChar.self)))
    return (entry, length)
  }

  /// Adds an entry in READDIR's format after `filled` bytes; returns how many bytes are filled
  /// then, or `nil` if the entry does not fit in `limit` bytes.
  func add(
    _ entry: DirectoryEntry, inode: UInt64, to request: Request, filled: Int, limit: Int
  ) -> Int? {
    var status = stat()
    status.st_ino = UInt(inode)
    status.st_mode = UInt32(entry.type) << 12
    return unsafe entry.name.withPlatformString { name in
      let place = unsafe (start + filled).assumingMemoryBound(to: CChar.self)
      let size = unsafe fuse_add_direntry(nil, place, limit - filled, name, &status, entry.next)
      return size > limit - filled ? nil : filled + size
    }
  }

  /// Adds an entry in READDIRPLUS's format, with what LOOKUP would say, after `filled` bytes;
  /// returns how many bytes are filled then, or `nil` if the entry does not fit in `limit` bytes.
  func add(
    _ entry: DirectoryEntry, _ found: Entry, filled: Int, limit: Int
  ) -> Int? {
    var parameters = found.parameters
    return unsafe entry.name.withPlatformString { name in
      let place = unsafe (start + filled).assumingMemoryBound(to: CChar.self)
      let size = unsafe fuse_add_direntry_plus(
        nil, place, limit - filled, name, &parameters, entry.next)
      return size > limit - filled ? nil : filled + size
    }
  }
}

/// A directory entry, as `getdents64(2)` returns it.
struct DirectoryEntry {
  var inode: UInt64
  /// The offset of the next entry.
  var next: Int
  /// `st_mode >> 12`; 0 if the filesystem does not say.
  var type: UInt8
  var name: FilePath

  var isDot: Bool { name == "." || name == ".." }
}
