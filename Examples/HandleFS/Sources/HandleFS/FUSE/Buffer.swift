internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Memory of a thread's own for what is read, used again for each request.
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

  /// `pread(2)`, as much as there is of `count` bytes.
  func read(_ file: BackingFile, count: Int, at offset: Int) throws(Errno) -> Int {
    try checked(
      unsafe hf_read_at(
        file.number, start, min(count, size), offset))
  }

  /// How many of these bytes a file has at a place, where it ends behind them; 0 where it has others.
  func countOf(
    _ bytes: RequestBytes, thatHas file: BackingFile, at offset: Int
  ) throws(Errno) -> Int {
    let count = try read(file, count: bytes.count, at: offset)
    guard let wanted = unsafe bytes.start else { return 0 }
    return unsafe memcmp(start, wanted, count) == 0 ? count : 0
  }

  /// `getdents64(2)`, about `limit` bytes, from a place in a directory or from where it is; returns how many
  /// were filled.
  func readEntries(
    _ directory: BackingFile, at offset: Int?, limit: Int
  ) throws(Errno) -> Int {
    let size = min(max(limit, 1024), size)
    return try checked(
      unsafe hf_read_entries(directory.number, start, size, offset ?? -1))
  }

  /// Whether an entry of READDIRPLUS has room behind `filled` bytes.
  func hasRoom(for entry: DirectoryEntry, filled: Int, limit: Int) -> Bool {
    unsafe entry.name.withPlatformString {
      unsafe fuse_add_direntry_plus(nil, nil, 0, $0, nil, 0) <= limit - filled
    }
  }

  /// The entry of `getdents64(2)` at a place, and its length.
  func entry(at place: Int) -> (entry: DirectoryEntry, length: Int) {
    let raw = unsafe start + place
    let length = unsafe Int(raw.load(fromByteOffset: 16, as: UInt16.self))
    let entry = unsafe DirectoryEntry(
      inode: raw.load(as: UInt64.self), next: raw.load(fromByteOffset: 8, as: Int.self),
      type: raw.load(fromByteOffset: 18, as: UInt8.self),
      name: FilePath(platformString: (raw + 19).assumingMemoryBound(to: CChar.self)))
    return (entry, length)
  }

  /// Adds an entry as READDIR has it, behind `filled` bytes; returns what is filled then, or `nil`
  /// where it has no room in `limit` bytes.
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

  /// The same as READDIRPLUS has it, with what LOOKUP would say.
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

/// An entry of a directory, as `getdents64(2)` has it.
struct DirectoryEntry {
  var inode: UInt64
  /// Where the next one begins.
  var next: Int
  /// `st_mode >> 12`, 0 where the file system does not say.
  var type: UInt8
  var name: FilePath

  var isDot: Bool { name == "." || name == ".." }
}
