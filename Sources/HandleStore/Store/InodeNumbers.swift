internal import HandleLocks
internal import SystemPackage

/// Inode numbers for a server that shows several filesystems, or subvolumes of btrfs, as one. No
/// two files have the same number, and a file keeps its number over restarts, remounts and reboots.
///
/// Files in the root's namespace (its filesystem, or on btrfs its subvolume) keep their own
/// numbers. Every other namespace gets a number of 15 bits, which is stored in the store's file
/// `namespaces` (Docs/Format.md) and put in front of a file's own number. A file is shown by its
/// node id instead if its own number is 2⁴⁸ or more, if its namespace comes after the 32,767th, or
/// if it is on an overlayfs below the root, where files of several layers may have the same number.
///
/// | number | of |
/// | --- | --- |
/// | 0…2⁴⁸ − 1 | a file of the root's namespace: its own number |
/// | N × 2⁴⁸ + its own number | a file of namespace N, 1…32,767 |
/// | 2⁶³ + its node id | any other file |
///
/// ```swift
/// let numbers = try InodeNumbers(in: store, root: rootNode, rootStatus)
/// reply.inode = try numbers.number(of: registration.node, status)
/// ```
///
/// All calls are safe from any thread.
public final class InodeNumbers: Sendable {
  private static let ownBits: UInt64 = 48
  private static let nodeBit: UInt64 = 1 << 63

  private let store: Store
  private let main: Namespace
  private let rootDevice: UInt64
  /// The numbers of the namespaces seen so far; 0 for one that got none, because all were given.
  private let known = Locked<[Namespace: UInt64]>([:])

  /// Reads the numbers that were given before.
  ///
  /// - Parameters:
  ///   - root: the node of the root directory. Files of its filesystem or subvolume keep their own
  ///     numbers.
  ///   - status: the root directory's status.
  ///   - store: the store that has the nodes and keeps the numbers of the namespaces.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/damagedFile(path:_:)``,
  ///   ``StoreError/foreignFile(path:remedy:)``, ``StoreError/system(_:_:)``.
  public init(in store: Store, root: NodeID, status: FileStatus) throws(StoreError) {
    self.store = store
    rootDevice = status.device
    main = try store.withStoreErrors {
      guard let node = try store.find(root) else { throw StoreError.unknownNode(root) }
      let magic = try store.index.filesystems.magic(node.filesystem)
      return Namespace(of: node, on: magic) ?? Namespace(node.filesystem, subvolume: 0)
    }
    let numbers = try NamespaceTable(in: store.files, of: store.number).numbers
    known.withLock { $0 = numbers }
  }

  /// Returns the number under which a node's file is shown.
  ///
  /// - Parameters:
  ///   - status: the file's own status.
  ///   - node: the file's node.
  /// - Throws: ``StoreError/unknownNode(_:)``; for the first file of a filesystem or subvolume also
  ///   ``StoreError/readOnly``, ``StoreError/damagedFile(path:_:)``,
  ///   ``StoreError/foreignFile(path:remedy:)``, ``StoreError/diskFull(path:)``,
  ///   ``StoreError/system(_:_:)``.
  /// - Complexity: O(1); for the first file of a filesystem or subvolume O(namespaces) and a flush.
  public func number(of node: NodeID, status: FileStatus) throws(StoreError) -> UInt64 {
    try store.withStoreErrors {
      guard let found = try store.find(node) else { throw StoreError.unknownNode(node) }
      return try number(of: found, status.inode, device: status.device)
    }
  }

  /// Returns the number under which an entry of a directory is shown, as `readdir(3)` gives it in
  /// `d_ino`. The entry's file must be on the directory's filesystem and in its subvolume.
  ///
  /// - Parameters:
  ///   - inode: the number that the directory has for the entry.
  ///   - directory: the directory's node.
  ///   - status: the directory's status.
  /// - Returns: `nil` if the number depends on the file's node: register the file, and call
  ///   ``number(of:status:)``.
  /// - Throws: what ``number(of:status:)`` throws.
  public func number(
    _ inode: UInt64, in directory: NodeID, status: FileStatus
  ) throws(StoreError) -> UInt64? {
    try store.withStoreErrors {
      guard let node = try store.find(directory) else {
        throw StoreError.unknownNode(directory)
      }
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

  /// Returns what stands in front of the inode numbers of a node's namespace, or `nil` if it has no
  /// number.
  private func prefix(of node: Node, device: UInt64) throws -> UInt64? {
    let magic = try store.index.filesystems.magic(node.filesystem)
    guard let namespace = Namespace(of: node, on: magic) else {
      // Layers that share the device number of an overlayfs also share one range of inode numbers.
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
  /// Returns the number of a namespace, which is then on the disk; 0 if all numbers are given.
  fileprivate func namespaceNumber(of namespace: Namespace) throws -> UInt64 {
    try requireWriting()
    return try cataloguing.withLock { _ in
      try exclusively {
        var table = try NamespaceTable(in: files, of: number)
        guard let (given, isNew) = table.number(of: namespace) else { return 0 }
        if isNew { try table.write(in: files) }
        return given
      }
    }
  }
}
