internal import HandleStore
internal import SystemPackage

extension Server {
  /// Answers a request, and removes its intent from the journal.
  ///
  /// - Parameter body: returns the reply, or `nil` if it has sent the reply itself.
  func answer(_ request: Request, _ body: () throws -> Reply?) {
    let began = Clock.nanoseconds
    defer { statistics.answered(request.kind, nanoseconds: Clock.nanoseconds - began) }
    if request.isResent { statistics.count(.resent) }
    do {
      // Root can make the kernel treat the mount as writable (`mount -o remount,rw`).
      if options.readOnly && request.changes { throw Errno.readOnlyFileSystem }
      if let reply = try body() { request.send(reply, on: fuse) }
    } catch {
      statistics.count(.errors)
      endOnDamage(error)
      request.send(.error(errno(of: error)), on: fuse)
    }
    #if FAULT_POINTS
      if let intent = journal[request.number] { FaultPoint.pass(intent.operation, .answered) }
    #endif
    journal.forget(request.number)
  }

  /// Ends the server if its store is damaged and a repair may help. The kernel sends the request
  /// again to the next server.
  private func endOnDamage(_ error: any Error) {
    guard options.endsOnDamage, case StoreError.damaged = error else { return }
    log.critical(
      "the server ends so that its store can be repaired", metadata: ["error": "\(error)"])
    Processes.end(3)
  }

  /// Returns the errno for an error, and logs the errors that nothing should cause.
  private func errno(of error: any Error) -> Errno {
    let errno = Errno(any: error)
    if [.ioError, .tooManyOpenFiles].contains(errno) && recentErrors.isNew(error) {
      log.error("a request failed", metadata: ["error": "\(error)"])
    }
    return errno
  }
}
