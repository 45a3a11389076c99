internal import SystemPackage

/// A descriptor that is closed with the last reference to it.
final class OwnedDescriptor: Sendable {
  let descriptor: FileDescriptor

  init(_ descriptor: FileDescriptor) { self.descriptor = descriptor }

  deinit { SystemCalls.close(descriptor) }
}
