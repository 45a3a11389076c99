internal import SystemPackage

/// A file to register: its handle, its status, and the directory in which it was found.
public struct Candidate: Sendable {
  /// The file's handle. A connectable handle names the same file as a plain one.
  public var handle: KernelFileHandle
  /// The status of the file, taken with its handle.
  public var status: FileStatus
  /// The node of the directory in which the file was found, if known.
  public var parent: NodeID?

  /// Makes a candidate from a handle and a status.
  public init(handle: KernelFileHandle, status: FileStatus, parent: NodeID? = nil) {
    self.handle = handle
    self.status = status
    self.parent = parent
  }

  /// Whether the handle is too long for the node's record and goes to the spill table.
  public var isSpilled: Bool { handle.length > Record.inlineLimit }

  /// Makes a candidate from a file that was found by name or descriptor.
  public init(_ file: FoundFile, parent: NodeID? = nil) {
    self.init(handle: file.handle, status: file.status, parent: parent)
  }

  /// Whether the file may also have names in directories other than the one in which it was found.
  var mayHaveFurtherParents: Bool {
    parent != nil && status.links > 1 && status.type != .directory
  }

  /// Whether registering the file changes the parent in its record. A file with several names keeps
  /// its recorded parent, and gets a further one.
  func moves(_ record: Record) -> Bool {
    guard let parent, record.parent != parent else { return false }
    return record.parent == nil || status.type == .directory || status.links <= 1
  }
}

extension Candidate {
  /// Whether the file was found in a directory other than the one on record, and may have names in
  /// both.
  func hasFurtherParent(_ record: Record) -> Bool {
    parent != nil && record.parent != parent && !moves(record)
  }
}

/// The result of a registration.
public struct Registration: Hashable, Sendable {
  /// How the file got its node.
  public enum Outcome: Hashable, Sendable {
    /// This registration minted the node.
    case created
    /// The file already had the node.
    case existing
    /// The inode number was known under another generation. The node is new; the old node, named
    /// here, is stale from now on. Invalidate the old one before you answer with the new one.
    case replaced(NodeID)
    /// The file is gone, and its inode belongs to another file, whose node was left alone. Only a
    /// batch has this outcome: there is no node, and ``Registration/node`` is 0. A single
    /// registration throws ``StoreError/staleHandle(_:)``.
    case stale
  }

  /// The file's node.
  public let node: NodeID
  /// The generation that goes on the wire with the node's id: the store's incarnation.
  public let generation: UInt32
  /// How the file got its node.
  public let outcome: Outcome

  /// The result for a file that is gone.
  static func stale(generation: UInt32) -> Registration {
    Registration(node: .none, generation: generation, outcome: .stale)
  }
}
