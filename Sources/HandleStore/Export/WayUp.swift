internal import SystemPackage

/// The directories on a walk from one directory up to the root of its subtree, or to the end of its
/// mount.
struct WayUp {
  private struct Step {
    let directory: FileStatus
    /// The directory's change time before the next directory was looked up, and after it;
    /// nanoseconds.
    let before: Int64
    var after: Int64
  }

  /// How many times to repeat a walk whose directories keep changing. A rename by chance meets one
  /// or two walks. Only somebody who renames without pause meets all of them, and that must not
  /// occupy a thread: the call ends with an error after some milliseconds.
  static let attempts = 64
  static let busy = StoreError.system(
    .resourceTemporarilyUnavailable,
    "checking that a file is inside, while the directories above it keep changing")

  private var steps: [Step] = []
  private(set) var isInside = false

  /// Walks up, with at most two directories open at a time.
  init(from start: OwnedDescriptor, in subtree: Subtree) throws {
    var directory = start
    while true {
      let status = try FullStatus(of: directory.descriptor)
      let here = status.file
      if subtree.isRoot(here) {
        isInside = true
        return
      }
      if let last = steps.last, last.directory.isOfSameFile(as: here) { return }
      steps.append(Step(directory: here, before: status.changed, after: status.changed))
      let next = try subtree.next(above: directory, status)
      steps[steps.count - 1].after = try FullStatus(of: directory.descriptor).changed
      switch next {
      case .directory(let above): directory = above
      case .root: isInside = true
      case .nothing: break
      }
      guard case .directory = next else { return }
    }
  }

  /// Returns whether a second, later walk found the same as this one: then every step was true from
  /// this walk's look at it to the later walk's look.
  ///
  /// A rename changes a directory's change time before it moves the directory. So if the time
  /// before the first look is the same as the time after the second look, the directory moved at
  /// most once between them; and if it has the same parent both times, it did not move at all.
  func isConfirmed(by later: WayUp) -> Bool {
    isInside == later.isInside && steps.count == later.steps.count
      && zip(steps, later.steps).allSatisfy {
        $0.directory.isOfSameFile(as: $1.directory) && $0.before == $1.after
      }
  }

  /// Opens the parent directory (`..`). Returns `nil` if the mount ends here, or if the directory
  /// is not below the mount's root.
  static func above(_ directory: OwnedDescriptor) throws -> OwnedDescriptor? {
    do throws(Errno) {
      return try SystemCalls.openName("..", in: directory.descriptor, flags: SystemCalls.path)
    } catch .improperLink, .noSuchFileOrDirectory {
      return nil
    } catch {
      throw StoreError(error, "looking up the parent directory")
    }
  }
}

extension Subtree {
  /// Returns whether the directories above one lead to the root, at one moment.
  ///
  /// The walk looks at one step at a time. Between two steps, one directory may leave the subtree
  /// while another one enters it. So it walks the path twice: if both walks agree, all steps were
  /// true at the moment when the first walk ended.
  func leadsToRoot(_ directory: OwnedDescriptor) throws -> Bool {
    var way = try WayUp(from: directory, in: self)
    for _ in 0..<WayUp.attempts {
      let again = try WayUp(from: directory, in: self)
      if way.isConfirmed(by: again) { return way.isInside }
      way = again
    }
    throw WayUp.busy
  }
}
