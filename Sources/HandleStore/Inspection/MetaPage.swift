/// One of the two meta pages at the start of an LMDB file. It says where the trees of a commit are.
///
/// ```
/// 16 magic 32 | 20 version 32 | 24 address 64 | 32 map size 64 | 40 the free list's tree
/// 88 the tree of the tables | 136 last page 64 | 144 number of the commit 64
/// ```
struct MetaPage: Equatable {
  static let magic = 0xBEEF_C0DE
  static let version = 1
  static let size = 152
  /// The page sizes in bytes that LMDB writes and reads.
  static let pageSizes = (9...15).map { 1 << $0 }

  enum Fault: Error, Equatable {
    /// The bytes are not a meta page.
    case notMeta
    case version(Int)
  }

  let number: Int
  /// The page number that the page itself records.
  private let ownNumber: Int
  let transaction: UInt64
  let lastPage: Int
  private let mapSize: UInt64
  let pageSize: Int
  /// The tree of the free list.
  let free: TreeRecord
  /// The tree of the tables, by name.
  let main: TreeRecord

  init(_ bytes: [UInt8], number: Int) throws(Fault) {
    guard bytes.count >= Self.size, bytes.uint16(at: 10) == Page.Flags.meta,
      bytes.uint32(at: 16) == Self.magic
    else { throw .notMeta }
    guard bytes.uint32(at: 20) == Self.version else { throw .version(bytes.uint32(at: 20)) }
    self.number = number
    ownNumber = bytes.int(at: 0)
    mapSize = bytes.uint64(at: 32)
    pageSize = bytes.uint32(at: 40)
    free = TreeRecord(bytes[40..<88])
    main = TreeRecord(bytes[88..<136])
    lastPage = bytes.int(at: 136)
    transaction = bytes.uint64(at: 144)
  }

  /// What is impossible on this page, as the end of a sentence that begins with the page; `nil` if
  /// nothing is. A writer may be in the middle of writing the older one of the two.
  var fault: String? {
    guard ownNumber == number else { return "has another page's number" }
    guard Self.pageSizes.contains(pageSize) else { return "has an impossible page size" }
    guard (1...Int(UInt32.max) << 16).contains(lastPage) else {
      return "has an impossible last page"
    }
    guard mapSize <= 1 << 46 else { return "has an impossible map size" }
    guard transaction < 1 << 62, transaction == 0 || transaction & 1 == UInt64(number) else {
      return "has a commit number that belongs on the other meta page"
    }
    guard free.flags == TreeRecord.integerKeys && main.flags == 0 else {
      return "has trees that no store has"
    }
    return free.fault(lastPage: lastPage) ?? main.fault(lastPage: lastPage)
  }
}

/// LMDB's record of a tree (`MDB_db`), 48 bytes.
///
/// ```
/// 0 pad 32 | 4 flags 16 | 6 depth 16 | 8 branches 64 | 16 leaves 64 | 24 overflow pages 64
/// 32 entries 64 | 40 root 64
/// ```
struct TreeRecord: Equatable {
  static let size = 48
  /// `MDB_INTEGERKEY`.
  static let integerKeys = 0x08
  /// The most levels that LMDB descends (`CURSOR_STACK`).
  private static let maximumDepth = 32

  let flags: Int
  let depth: Int
  let branches: Int
  let leaves: Int
  let overflowPages: Int
  let entries: Int
  /// The topmost page, or `nil` if the tree is empty.
  let root: Int?

  /// Reads a record from its 48 bytes.
  init(_ bytes: ArraySlice<UInt8>) {
    flags = Int(bytes.word(0) >> 32 & 0xffff)
    depth = Int(bytes.word(0) >> 48)
    branches = Int(clamping: bytes.word(8))
    leaves = Int(clamping: bytes.word(16))
    overflowPages = Int(clamping: bytes.word(24))
    entries = Int(clamping: bytes.word(32))
    root = bytes.word(40) == .max ? nil : Int(clamping: bytes.word(40))
  }

  /// Returns what is impossible about the tree in a file of pages 0…`lastPage`, or `nil`.
  func fault(lastPage: Int) -> String? {
    guard depth <= Self.maximumDepth, (depth == 0) == (root == nil) else {
      return "has a tree with an impossible depth"
    }
    guard root.map({ (2...max(lastPage, 2)).contains($0) }) ?? true else {
      return "has a tree whose root is not in the file"
    }
    return nil
  }
}
