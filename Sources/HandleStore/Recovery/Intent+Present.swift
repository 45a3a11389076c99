public import SystemPackage

extension Intent {
  /// Returns whether an operation on names was done, judged by what the names lead to now.
  ///
  /// - Parameters:
  ///   - directory: the directory of the name, open; `O_PATH` too.
  ///   - newDirectory: the directory of the second name, if it is another one.
  /// - Throws: ``StoreError/badName(_:)`` if a name of the intent is not one component, and
  ///   ``StoreError/system(_:_:)`` with the errors of `name_to_handle_at(2)` and `statx(2)`, except
  ///   `ENOENT`.
  /// - Complexity: one or two system calls. Any thread.
  public func wasDone(
    in directory: FileDescriptor, newDirectory: FileDescriptor? = nil
  ) throws(StoreError) -> Bool {
    switch operation {
    case .create:
      let status = try Self.present { () throws(StoreError) -> FileStatus in
        try FileStatus(name: name, in: directory)
      }
      return status?.type == type
    case .link: return try handle(name, directory) == file
    case .remove: return try handle(name, directory) != file
    case .rename:
      guard try handle(newName, newDirectory ?? directory) == file else { return false }
      return try handle(name, directory) != file
    case .exchange:
      guard try handle(newName, newDirectory ?? directory) == file else { return false }
      return try handle(name, directory) == other
    case .createAttribute, .removeAttribute, .insertRange, .collapseRange: return false
    }
  }

  /// Returns whether a change of an extended attribute was done.
  ///
  /// - Parameter hasAttribute: whether the file has the attribute now.
  public func wasDone(hasAttribute: Bool) -> Bool {
    switch operation {
    case .createAttribute: hasAttribute
    case .removeAttribute: !hasAttribute
    default: false
    }
  }

  /// Returns whether a change of a range was done.
  ///
  /// - Parameter size: the file's size now, in bytes.
  public func wasDone(size: UInt64) -> Bool {
    switch operation {
    case .insertRange: size == self.size &+ length
    case .collapseRange: size == self.size &- length
    default: false
    }
  }

  private func handle(
    _ name: FilePath, _ directory: FileDescriptor
  ) throws(StoreError) -> KernelFileHandle? {
    try Self.present { () throws(StoreError) -> KernelFileHandle in
      try KernelFileHandle(identifying: name, in: directory)
    }
  }

  private static func present<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R? {
    do throws(StoreError) {
      return try body()
    } catch {
      if error.errno == .noSuchFileOrDirectory { return nil }
      throw error
    }
  }
}
