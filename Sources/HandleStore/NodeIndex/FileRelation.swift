internal import SystemPackage

/// Which of two files exists that compete for one key in the index: a candidate's, or that of the
/// node that has the key. The kernel says so.
enum Survivor: Sendable {
  case candidate
  case node
  case both
  case neither
  /// The kernel cannot be asked, because the filesystem is not attached or this process may not
  /// open handles.
  case unknown
}

/// What the kernel said about candidates and nodes that compete. A file that is gone never comes
/// back, so an answer stays good when a change is applied again.
struct Survivors: Sendable {
  private struct Pair: Hashable {
    let candidate: KernelFileHandle
    let node: NodeID
  }

  private var answers: [Pair: Survivor] = [:]

  /// The answer for a candidate's handle and a node; `nil` if the kernel has not been asked.
  subscript(candidate: KernelFileHandle, node: NodeID) -> Survivor? {
    get { answers.isEmpty ? nil : answers[Pair(candidate: candidate, node: node)] }
    set { answers[Pair(candidate: candidate, node: node)] = newValue }
  }
}

/// How a candidate is related to a node that has its key in the index. All engines decide by
/// this, and by nothing else.
enum FileRelation {
  /// The node is the candidate's: same inode, same generation, same type. A file with an opaque
  /// handle is the same if all bytes of the handle are.
  case same
  /// The node is of another file. Nothing may be changed before the kernel was asked which of the
  /// two exists.
  case contested
  /// The node's file is gone. The candidate takes the key, and the node becomes stale.
  case replaced
  /// The candidate's file is gone. The node keeps the key.
  case stale
  /// Both files exist, because opaque handles do not say which inode they name, and files of two
  /// layers of an overlayfs can have the same `st_ino`. Both have nodes.
  case separate

  /// One of the two files in question.
  struct File {
    let handle: KernelFileHandle
    /// What the handle names; `nil` if it is opaque.
    let key: FileKey?
    let type: FileType
  }

  /// - Parameter survivor: which of the two exists; `nil` if the kernel has not been asked.
  @inline(__always)
  init(of candidate: File, to node: File, survivor: @autoclosure () -> Survivor?) {
    if candidate.type == node.type && Self.haveSameHandle(candidate, node) {
      self = .same
      return
    }
    self =
      switch survivor() {
      case nil: .contested
      // The candidate was found last. If nobody knows better, it is the one that exists.
      case .candidate, .neither, .unknown: .replaced
      case .node: .stale
      // An inode has only one generation at a time.
      case .both: candidate.key == nil ? .separate : .replaced
      }
  }

  @inline(__always)
  private static func haveSameHandle(_ a: File, _ b: File) -> Bool {
    guard let key = a.key, let other = b.key else { return a.handle == b.handle }
    return key == other
  }
}
