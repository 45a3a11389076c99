internal import SystemPackage

/// The right to write to a store: a lock on its file `writer`, in which the holder's process id
/// stands for others to read. The kernel lets the lock go when the holder dies.
final class WriterLock: Sendable {
  private let file: OwnedDescriptor

  init(_ directory: FilePath) throws(StoreError) {
    let path = directory.appending("writer")
    do throws(Errno) {
      file = OwnedDescriptor(
        try SystemCalls.open(path, flags: SystemCalls.create, mode: 0o600))
    } catch {
      throw error == .noSpace ? .diskFull(path: directory) : StoreError(error, "opening \(path)")
    }
    do throws(Errno) {
      try SystemCalls.lock(file.descriptor)
    } catch {
      throw .inUse(path: directory, pid: Self.holder(directory))
    }
    do throws(Errno) {
      try SystemCalls.truncate(file.descriptor, to: 0)
      try SystemCalls.writeAll(file.descriptor, Array("\(SystemCalls.processID)".utf8))
    } catch {
      throw error == .noSpace ? .diskFull(path: directory) : StoreError(error, "writing \(path)")
    }
  }

  /// The process that wrote to the store last, as far as that is known.
  static func holder(_ directory: FilePath) -> Int32? {
    (try? SmallFile.read(directory.appending("writer"))).flatMap { Int32($0) }
  }
}
