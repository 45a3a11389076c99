internal import SystemPackage

/// A file to register: its handle, its status, and the directory it was found in.
public struct Candidate: Sendable {
  /// The file's handle, of any form: a connectable one names the same file as a plain one.
  public var handle: KernelFileHandle
  /// The status that belongs to the handle.
  public var status: FileStatus
  /// The node of the directory in which the file was found, where that is known.
  public var parent: NodeID?

  /// A file to register.
  public init(handle: KernelFileHandle, status: FileStatus, parent: NodeID? = nil) {
    self.handle = handle
    self.status = status
    self.parent = parent
  }

  /// Whether the handle is too long for the node's record and goes to the spill table.
  public var isSpilled: Bool { handle.length > Record.inlineLimit }

  /// A file to register, found by name or descriptor.
  public init(_ file: FoundFile, parent: NodeID? = nil) {
    self.init(handle: file.handle, status: file.status, parent: parent)
  }

  /// Whether the file may have names in other directories than the one that it was found in.
  var mayHaveFurtherPlaces: Bool {
    parent != nil && status.links > 1 && status.type != .directory
  }

  /// Whether the file has another parent than the one on record. A file of several names keeps the
  /// parent it has, and gets a further ``Place``.
  func moves(_ record: Record) -> Bool {
    guard let parent, record.parent != parent else { return false }
    return record.parent == nil || status.type == .directory || status.links <= 1
  }
}

/// What a registration found.
public struct Registration: Hashable, Sendable {
  /// How the node came to be the file's.
  public enum Outcome: Hashable, Sendable {
    /// This registration minted the node.
    case created
    /// The node was there.
    case existing
    /// The inode number was known under another generation. The node is new; the old one, named
    /// here, is stale from now on. Invalidate it before the new one is answered.
    case replaced(NodeID)
    /// The file is gone, and its inode belongs to another file, whose node was left alone. Only in a
    /// batch: there is no node, and ``Registration/node`` is 0. A single registration throws
    /// ``StoreError/staleHandle(_:)``.
    case stale
  }

  /// The file's node.
  public let node: NodeID
  /// The generation that goes on the wire with the node's id: the store's incarnation.
  public let generation: UInt32
  /// How the node came to be the file's.
  public let outcome: Outcome

  /// The result for a file that is gone.
  static func stale(generation: UInt32) -> Registration {
    Registration(node: .none, generation: generation, outcome: .stale)
  }
}
