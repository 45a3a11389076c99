internal import Synchronization
internal import SystemPackage

/// Inode numbers for a server that shows several filesystems, or subvolumes of btrfs, as one: no two files
/// have the same, and a file has the same after a restart, a remount and a reboot.
///
/// The files of one filesystem or subvolume, that of the root, keep the numbers that they have. Of the
/// others each gets 15 bits, which stand in the store's file `namespaces` (Docs/Format.md) and are in front
/// of the file's own number. What does not fit is shown by its node: a number of 2⁴⁸ or more, a namespace
/// after the 32,767th, and a file of an overlayfs below the root, where files of several layers may have one
/// number.
///
/// | number | of |
/// | --- | --- |
/// | 0…2⁴⁸ − 1 | a file of the root's namespace: its own number |
/// | N × 2⁴⁸ + its own number | a file of namespace N, 1…32,767 |
/// | 2⁶³ + its node | any other file |
///
/// ```swift
/// let numbers = try InodeNumbers(in: store, root: rootNode)
/// reply.inode = try numbers.number(of: registration.node, status)
/// ```
///
/// All calls may be made from any thread.
public final class InodeNumbers: Sendable {
  private static let ownBits: UInt64 = 48
  private static let nodeBit: UInt64 = 1 << 63

  private let store: Store
  private let main: Namespace
  private let rootDevice: UInt64
  /// 0 where all numbers were given.
  private let known = Mutex<[Namespace: UInt64]>([:])

  /// Reads the numbers that were given before.
  ///
  /// - Parameters:
  ///   - root: the node of the root directory: its filesystem or subvolume keeps its own numbers.
  ///   - status: that directory's status.
  ///   - store: the store that has the nodes, and that keeps the numbers of the namespaces.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/damagedFile(path:_:)``,
  ///   ``StoreError/system(_:_:)``.
  public init(in store: Store, root: NodeID, _ status: FileStatus) throws(StoreError) {
    self.store = store
    rootDevice = status.device
    main = try store.guarded {
      guard let node = try store.find(root) else { throw StoreError.unknownNode(root) }
      let magic = try store.filesystems.magic(node.filesystem)
      return Namespace(of: node, on: magic) ?? Namespace(node.filesystem, subvolume: 0)
    }
    let numbers = try NamespaceTable(in: store.directory).numbers
    known.withLock { $0 = numbers }
  }

  /// The number under which a node's file is shown.
  ///
  /// - Parameters:
  ///   - status: the file's own status.
  ///   - node: the file's node.
  /// - Throws: ``StoreError/unknownNode(_:)``, and of the first file of a filesystem or subvolume
  ///   ``StoreError/readOnly``, ``StoreError/diskFull(path:)``, ``StoreError/system(_:_:)``.
  /// - Complexity: O(1); for the first file of a filesystem or subvolume O(namespaces) and a flush.
  public func number(of node: NodeID, _ status: FileStatus) throws(StoreError) -> UInt64 {
    try store.guarded {
      guard let found = try store.find(node) else { throw StoreError.unknownNode(node) }
      return try number(of: found, status.inode, device: status.device)
    }
  }

  /// The number under which an entry of a directory is shown, as `readdir(3)` gives it in `d_ino`: of a
  /// file that is on the directory's filesystem, and in its subvolume.
  ///
  /// - Parameters:
  ///   - inode: the number that the directory has for it.
  ///   - directory: the directory's node.
  ///   - status: the directory's status.
  /// - Returns: `nil` where only the file's node tells: register the file, and ask for ``number(of:_:)``.
  /// - Throws: what ``number(of:_:)`` throws.
  public func number(
    _ inode: UInt64, in directory: NodeID, _ status: FileStatus
  ) throws(StoreError) -> UInt64? {
    try store.guarded {
      guard let node = try store.find(directory) else { throw StoreError.unknownNode(directory) }
      return try prefix(of: node, device: status.device).flatMap { Self.joined($0, inode) }
    }
  }

  private func number(of node: Node, _ inode: UInt64, device: UInt64) throws -> UInt64 {
    try prefix(of: node, device: device).flatMap { Self.joined($0, inode) }
      ?? Self.nodeBit | node.id.rawValue
  }

  private static func joined(_ prefix: UInt64, _ inode: UInt64) -> UInt64? {
    inode >> ownBits == 0 ? prefix << ownBits | inode : nil
  }

  /// What stands in front of the numbers of a node's namespace; `nil` where it has none.
  private func prefix(of node: Node, device: UInt64) throws -> UInt64? {
    let magic = try store.filesystems.magic(node.filesystem)
    guard let namespace = Namespace(of: node, on: magic) else {
      // Where all layers of an overlayfs share its device, they share its numbers.
      return node.filesystem == main.filesystem && device == rootDevice ? 0 : nil
    }
    if namespace == main { return 0 }
    let number = try known.withLock { known in
      if let number = known[namespace] { return number }
      let number = try store.namespaceNumber(of: namespace)
      known[namespace] = number
      return number
    }
    return number == 0 ? nil : number
  }
}

extension Store {
  /// The number of a namespace, which is on the disk then; 0 where all are given.
  fileprivate func namespaceNumber(of namespace: Namespace) throws -> UInt64 {
    _ = try changing()
    return try cataloguing.withLock { _ in
      var table = try NamespaceTable(in: directory)
      guard let (number, isNew) = table.number(of: namespace) else { return 0 }
      if isNew { try table.write(in: directory) }
      return number
    }
  }
}
