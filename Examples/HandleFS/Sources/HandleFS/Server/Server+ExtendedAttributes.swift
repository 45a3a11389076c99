internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

extension Server {
  /// Returns an attribute's value, or its length if `limit` is 0.
  func attribute(_ number: UInt64, _ name: RawString, limit: Int) throws -> Reply {
    let (bytes, size) = try path(number).attribute(name, limit: limit)
    return limit == 0 ? .size(size) : .bytes(bytes)
  }

  /// Returns the names of the attributes, or their total length if `limit` is 0. Only root sees
  /// names that begin with `trusted.`.
  func attributeNames(_ number: UInt64, limit: Int, for request: Request) throws -> Reply {
    let file = try path(number)
    if request.isOfRoot {
      let (bytes, size) = try file.attributes(limit: limit)
      return limit == 0 ? .size(size) : .bytes(bytes)
    }
    let names = try file.attributes(limit: 1 << 16).bytes.split(separator: 0)
    let shown = names.filter { !$0.starts(with: "trusted.".utf8) }.flatMap { $0 + [0] }
    guard limit == 0 || shown.count <= limit else { throw Errno.outOfRange }
    return limit == 0 ? .size(shown.count) : .bytes(shown)
  }

  func setAttribute(
    _ number: UInt64, name: RawString, value: RequestBytes, flags: CInt,
    for request: Request
  ) throws -> Reply {
    let file = try path(number)
    // An access list may lead to other set-group-id bits.
    try Credentials.keepSetIDs(true)
    try once(for: request, wasDone: { try $0.wasDone(hasAttribute: file.hasAttribute(name)) }) {
      try flags & HF_ATTRIBUTE_CREATE != 0 && !file.hasAttribute(name)
        ? .createAttribute(name.path) : nil
    } act: {
      try file.setAttribute(name, value, flags: flags)
    }
    if !request.isOfRoot, name.path == "system.posix_acl_access" { try dropGroup(file, request) }
    return .done
  }

  /// Clears a file's set-group-id bit after a caller who is not in the file's group has changed its
  /// ACL.
  private func dropGroup(_ file: BackingFile, _ request: Request) throws {
    let status = try file.status
    if status.st_mode & S_ISGID != 0, !request.isMember(of: status.st_gid) {
      try file.setMode(status.st_mode & 0o7777 & ~S_ISGID)
    }
  }

  func removeAttribute(
    _ number: UInt64, name: RawString, for request: Request
  ) throws -> Reply {
    let file = try path(number)
    // On tmpfs, without an access list too.
    try Credentials.keepSetIDs(true)
    try once(for: request, wasDone: { try $0.wasDone(hasAttribute: file.hasAttribute(name)) }) {
      try file.hasAttribute(name) ? .removeAttribute(name.path) : nil
    } act: {
      try file.removeAttribute(name)
    }
    return .done
  }
}
