internal import Synchronization
internal import SystemPackage

/// A descriptor that is closed with the last reference to this object, unless it was given away.
final class OwnedDescriptor: Sendable {
  private let number: Atomic<CInt>

  init(_ descriptor: FileDescriptor) { number = Atomic(descriptor.rawValue) }

  var descriptor: FileDescriptor { FileDescriptor(rawValue: number.load(ordering: .relaxed)) }

  /// Gives the descriptor away: from now on the caller closes it.
  func release() -> FileDescriptor {
    FileDescriptor(rawValue: number.exchange(-1, ordering: .relaxed))
  }

  deinit {
    let number = number.load(ordering: .relaxed)
    if number >= 0 { SystemCalls.close(FileDescriptor(rawValue: number)) }
  }
}
