package import SystemPackage

/// Which of two files exists that compete for one key in the index: the candidate, or the other
/// file, which is that of the node or alias that has the key. This is the kernel's answer.
package enum Survivor: Sendable {
  case candidate
  case other
  case both
  case neither
  /// The kernel cannot be asked, because the filesystem is not attached or this process may not
  /// open handles.
  case unknown
}

/// What the kernel said about files that compete. A file that is gone never comes back, so an
/// answer is still right when a change is applied again.
package struct Survivors: Sendable {
  private struct Pair: Hashable {
    let candidate: KernelFileHandle
    let other: KernelFileHandle
  }

  private var answers: [Pair: Survivor] = [:]

  package init() {}

  /// The answer for a candidate's handle and another one; `nil` if the kernel has not been asked.
  package subscript(candidate: KernelFileHandle, other: KernelFileHandle) -> Survivor? {
    get { answers.isEmpty ? nil : answers[Pair(candidate: candidate, other: other)] }
    set { answers[Pair(candidate: candidate, other: other)] = newValue }
  }
}

/// How a candidate is related to the other file: that of the node or alias that has the candidate's
/// key in the index. All engines decide by this, and by nothing else.
package enum FileRelation {
  /// Both are the same file: inode, generation and file type are equal. If the handles are opaque,
  /// all their bytes must be equal instead of inode and generation.
  case same
  /// They are two files. Ask the kernel which of them exists before you change anything.
  case contested
  /// The other file is gone. The candidate takes the key.
  case replaced
  /// The candidate is gone. The other file keeps the key.
  case stale
  /// Both files exist, because opaque handles do not say which inode they name, and files of two
  /// layers of an overlayfs can have the same `st_ino`. Both have nodes.
  case separate

  /// One of the two files in question.
  package struct File: Sendable {
    package let handle: KernelFileHandle
    /// What the handle names; `nil` if it is opaque.
    package let key: FileKey?
    package let type: FileType

    /// Whether a handle names this file.
    @inline(__always)
    func isNamed(by handle: KernelFileHandle, _ key: FileKey?) -> Bool {
      guard let key, let own = self.key else { return handle == self.handle }
      return key == own
    }
  }

  /// Decides the relation of a candidate to another file.
  ///
  /// - Parameter survivor: which of the two exists; `nil` if the kernel has not been asked.
  @inline(__always)
  init(of candidate: File, to other: File, survivor: @autoclosure () -> Survivor?) {
    if candidate.type == other.type && other.isNamed(by: candidate.handle, candidate.key) {
      self = .same
      return
    }
    self =
      switch survivor() {
      case nil: .contested
      // The candidate was found last. If nobody knows better, it is the one that exists.
      case .candidate, .neither, .unknown: .replaced
      case .other: .stale
      // An inode has only one generation at a time.
      case .both: candidate.key == nil ? .separate : .replaced
      }
  }
}
