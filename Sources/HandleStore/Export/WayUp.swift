internal import SystemPackage

/// The directories from one up to the root of its subtree, or to where its mount ends.
struct WayUp {
  private struct Step {
    let inode: UInt64
    let device: UInt64
    /// The directory's last change before the next one was looked up, and after it.
    let before: Int64
    var after: Int64
  }

  /// How often a way is looked at that is changed all the time.
  static let attempts = 64
  static let busy = StoreError.system(
    .resourceTemporarilyUnavailable,
    "looking whether a file is inside, while directories above it are changed all the time")

  private var steps: [Step] = []
  private(set) var isInside = false

  /// Goes up, with two directories open at the most.
  init(from start: OwnedDescriptor, in subtree: Subtree) throws {
    var directory = start
    while true {
      let status = try FullStatus(of: directory.descriptor)
      if subtree.isRoot(status) {
        isInside = true
        return
      }
      if let last = steps.last, last.inode == status.inode && last.device == status.device {
        return
      }
      steps.append(
        Step(
          inode: status.inode, device: status.device, before: status.changed,
          after: status.changed))
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

  /// Whether each step that a later way found was so from the first look to the second.
  ///
  /// A rename changes a directory's time before it gives it another place. So where the time is the same
  /// before the first look at its place and after the second, at most one such change of place lies
  /// between them, and where the place is the same, none.
  func stood(until later: WayUp) -> Bool {
    isInside == later.isInside && steps.count == later.steps.count
      && zip(steps, later.steps).allSatisfy {
        $0.inode == $1.inode && $0.device == $1.device && $0.before == $1.after
      }
  }

  /// `..`, or `nil` where the mount ends, or the directory is not below its root.
  static func above(_ directory: OwnedDescriptor) throws -> OwnedDescriptor? {
    do throws(Errno) {
      return try SystemCalls.openName("..", in: directory.descriptor, flags: SystemCalls.path)
    } catch .improperLink, .noSuchFileOrDirectory {
      return nil
    } catch {
      throw StoreError(error, "looking up the directory above")
    }
  }
}

extension Subtree {
  /// Whether the directories above one lead to the root, at one moment.
  ///
  /// Each step up is looked at by itself, and between two of them one directory may leave as another one
  /// comes in. So the way is walked twice: if it is the same both times, all of its steps were true when
  /// the first walk ended.
  func leadsToRoot(_ directory: OwnedDescriptor) throws -> Bool {
    var way = try WayUp(from: directory, in: self)
    for _ in 0..<WayUp.attempts {
      let again = try WayUp(from: directory, in: self)
      if way.stood(until: again) { return way.isInside }
      way = again
    }
    throw WayUp.busy
  }
}
