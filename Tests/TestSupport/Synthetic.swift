import HandleStore
import SystemPackage

/// Handles that no kernel made, for what must not depend on one.
public enum Synthetic {
  /// A filesystem that is always mounted, makes handles and asks for no privilege.
  public static let directory: FilePath = "/dev/shm"
  /// The mode of a regular file.
  public static let mode: UInt32 = 0o100644

  /// A handle of tmpfs: a generation and a 64-bit inode number.
  public static func handle(_ inode: UInt64, generation: UInt32 = 1) -> KernelFileHandle {
    make(.inode32, little(generation) + little(inode))
  }

  /// A file with such a handle.
  public static func file(
    _ inode: UInt64, generation: UInt32 = 1, parent: NodeID? = nil, links: UInt32 = 1,
    mode: UInt32 = mode
  ) -> FoundFile {
    FoundFile(
      handle: handle(inode, generation: generation),
      status: FileStatus(inode: inode, mode: mode, links: links), parent: parent)
  }

  /// A handle of a layout that nobody knows.
  public static func opaque(_ number: UInt64, length: Int) -> KernelFileHandle {
    let seed = little(number &* 0x9e37_79b9_7f4a_7c15) + little(number)
    return make(HandleType(rawValue: 0x99), (0..<length).map { seed[$0 % 16] ^ UInt8($0) })
  }

  /// A handle of some bytes, which must not be none.
  public static func make(_ type: HandleType, _ bytes: [UInt8]) -> KernelFileHandle {
    guard let handle = KernelFileHandle(type: type, bytes: bytes) else {
      fatalError("a handle has 1...128 bytes")
    }
    return handle
  }

  /// A number's bytes, the lowest first.
  public static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

extension Store {
  /// Registers a file, given its handle and its status.
  public func register(
    _ handle: KernelFileHandle, status: FileStatus, on filesystem: FilesystemID,
    parent: NodeID? = nil, pinnedBy pins: Pins? = nil
  ) throws(StoreError) -> Registration {
    try register(
      FoundFile(handle: handle, status: status, parent: parent), on: filesystem, pinnedBy: pins)
  }

  /// Copies a node's file up, given the handle and the status of the copy.
  @discardableResult
  public func copyUp(
    _ id: NodeID, to handle: KernelFileHandle, status: FileStatus, on filesystem: FilesystemID
  ) throws(StoreError) -> Registration {
    try copyUp(id, to: FoundFile(handle: handle, status: status), on: filesystem)
  }

  /// Registers many one by one.
  public func registerEach(
    _ inodes: some Sequence<UInt64>, on filesystem: FilesystemID
  ) throws -> [Registration] {
    try inodes.map { try register(Synthetic.file($0), on: filesystem) }
  }
}

extension Synthetic {
  /// The key and generation of a handle that ``handle(_:generation:)`` made.
  static func name(_ handle: KernelFileHandle) -> String {
    let bytes = handle.bytes
    func number(_ range: Range<Int>) -> UInt64 {
      bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    return "\(number(4..<12)) \(number(0..<4))"
  }

  /// Attaches ``directory``.
  public static func attach(to store: Store) throws -> FilesystemID {
    try store.attach(directory)
  }
}

extension Store {
  /// Attaches by a path.
  @discardableResult
  public func attach(_ path: FilePath, named name: String? = nil) throws -> FilesystemID {
    try withDirectory(path) { try attach($0, named: name) }
  }
}
