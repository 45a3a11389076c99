internal import HandleStore
internal import SystemPackage

extension Server {
  /// Answers a request, and takes back what the journal has of it.
  ///
  /// - Parameter body: what to answer; `nil` where it has answered by itself.
  func answer(_ request: Request, _ body: () throws -> Reply?) {
    statistics.count(.requests)
    if request.isResent { statistics.count(.resent) }
    do {
      // Whoever is root can have the kernel take the mount for writable (mount -o remount,rw).
      if options.readOnly && request.changes { throw Errno.readOnlyFileSystem }
      if let reply = try body() { request.send(reply, on: fuse) }
    } catch {
      statistics.count(.errors)
      endOnDamage(error)
      request.send(.error(errno(of: error)), on: fuse)
    }
    #if DEBUG
      if let intent = journal[request.number] { FaultPoint.pass(intent.operation, .answered) }
    #endif
    journal.forget(request.number)
  }

  /// The request comes again to the next server.
  private func endOnDamage(_ error: any Error) {
    guard options.endsOnDamage, case StoreError.damaged = error else { return }
    log.critical("the server ends, so that its store is repaired", metadata: ["error": "\(error)"])
    Processes.end(3)
  }

  /// The kernel's number of an error. What nobody expects goes into the log.
  private func errno(of error: any Error) -> Errno {
    let errno = Errno(any: error)
    if errno == .ioError || errno == .tooManyOpenFiles {
      log.error("a request failed", metadata: ["error": "\(error)"])
    }
    return errno
  }
}
