internal import Glibc
internal import SystemPackage

/// What serves the requests of the kernel. ``Operations`` calls it, from several threads at a time.
/// Each call returns the reply to send, or throws an error that ``answer(_:_:)`` turns into one.
///
/// Nodes and opens are the numbers that earlier replies gave to the kernel.
protocol RequestHandler: AnyObject, Sendable {
  /// Runs the body that serves a request, sends its reply, and turns its error into a reply.
  func answer(_ request: Request, _ body: () throws -> Reply?)

  /// Returns at most `most` nodes that the kernel may know.
  func knownNodes(most: Int) -> [UInt64]
  /// Has another process send `count` requests from each processor, if there is a way to the mount. They
  /// make the kernel hand out requests that have queued.
  func draw(processors: Int, count: Int)

  // MARK: Nodes

  func lookup(_ parent: UInt64, _ name: FilePath) throws -> Entry
  func forget(_ number: UInt64, _ count: UInt64)
  func attributes(_ number: UInt64) throws -> Reply
  func extendedAttributes(_ number: UInt64) throws -> Reply
  func setAttributes(
    _ number: UInt64, _ change: AttributeChange, for request: Request
  ) throws -> Reply
  func flags(
    _ number: UInt64, command: UInt32, _ flags: RequestBytes, for request: Request
  ) throws -> Reply
  func linkTarget(_ number: UInt64) throws -> Reply
  func filesystemStatus(_ number: UInt64) throws -> Reply

  // MARK: Names

  func makeNode(
    _ name: FilePath, in parent: UInt64, mode: mode_t, device: dev_t, for request: Request
  ) throws -> Reply
  func makeDirectory(
    _ name: FilePath, in parent: UInt64, mode: mode_t, for request: Request
  ) throws -> Reply
  func makeSymbolicLink(
    _ name: FilePath, in parent: UInt64, to target: RawString, for request: Request
  ) throws -> Reply
  func link(
    _ number: UInt64, to parent: UInt64, as name: FilePath, for request: Request
  ) throws -> Reply
  func remove(
    _ name: FilePath, in parent: UInt64, isDirectory: Bool, for request: Request
  ) throws -> Reply
  func rename(
    _ name: FilePath, in parent: UInt64, to newName: FilePath, in newParent: UInt64, flags: UInt32,
    for request: Request
  ) throws -> Reply
  func create(
    _ name: FilePath, in parent: UInt64, mode: mode_t, flags: CInt, for request: Request
  ) throws -> Reply
  func createUnnamed(in parent: UInt64, mode: mode_t, for request: Request) throws -> Reply

  // MARK: Data

  func open(_ number: UInt64, flags: CInt, for request: Request) throws -> Reply
  func release(_ number: UInt64, open: UInt64) -> Reply
  func read(
    _ number: UInt64, size: Int, at offset: Int, flags: CInt, for request: Request
  ) throws
  func write(
    _ number: UInt64, _ bytes: RequestBytes, at offset: Int, clearsPrivileges: Bool,
    for request: Request
  ) throws -> Reply
  func sync(_ number: UInt64, dataOnly: Bool) throws -> Reply
  func allocate(
    _ number: UInt64, mode: CInt, from offset: Int, length: Int, for request: Request
  ) throws -> Reply
  func seek(_ number: UInt64, to offset: Int, whence: CInt) throws -> Reply
  func copy(
    _ from: UInt64, at offset: Int, to: UInt64, at target: Int, count: Int, for request: Request
  ) throws -> Reply

  // MARK: Directories

  func openDirectory(_ number: UInt64, flags: CInt, for request: Request) throws -> Reply
  func readDirectory(
    _ number: UInt64, open: UInt64, size: Int, at offset: Int, plus: Bool, for request: Request
  ) throws
  func releaseDirectory(open: UInt64) -> Reply
  func syncDirectory(_ number: UInt64, dataOnly: Bool) throws -> Reply

  // MARK: Extended attributes

  func attribute(_ number: UInt64, _ name: RawString, limit: Int) throws -> Reply
  func attributeNames(_ number: UInt64, limit: Int, for request: Request) throws -> Reply
  func setAttribute(
    _ number: UInt64, name: RawString, value: RequestBytes, flags: CInt, for request: Request
  ) throws -> Reply
  func removeAttribute(_ number: UInt64, name: RawString, for request: Request) throws -> Reply
}

/// Carries a handler through C.
final class HandlerBox: Sendable {
  let handler: any RequestHandler

  init(_ handler: any RequestHandler) { self.handler = handler }
}
