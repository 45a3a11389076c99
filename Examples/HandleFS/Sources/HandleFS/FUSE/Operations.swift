internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Runs `body` with the server and the request, and sends the reply that it returns.
private func answer(
  _ raw: fuse_req_t?, _ body: (Server, Request) throws -> Reply?
) {
  guard let raw = unsafe raw, let pointer = unsafe fuse_req_userdata(raw) else { return }
  let server = unsafe Unmanaged<Server>.fromOpaque(pointer).takeUnretainedValue()
  let request = unsafe Request(raw)
  server.answer(request) { try body(server, request) }
}

/// The functions that libfuse calls, one for each kind of request. Each converts the arguments from
/// C, has the server do the work, and sends the reply.
@safe enum Operations {
  static var table: fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    addNodes(&table)
    addNames(&table)
    addData(&table)
    addDirectories(&table)
    addExtendedAttributes(&table)
    return table
  }

  /// Serves the requests that libfuse does not know.
  static let unknown: hf_handler = { pointer, _ in
    guard let pointer = unsafe pointer else { return }
    let server = unsafe Unmanaged<Server>.fromOpaque(pointer).takeUnretainedValue()
    let request = unsafe Request(nil)
    server.answer(request) {
      request.kind == HF_STATX
        ? try server.extendedAttributes(request.node)
        : try server.createUnnamed(request.node, mode: request.word(1), request)
    }
  }

  private static func addNodes(_ table: inout fuse_lowlevel_ops) {
    unsafe table.`init` = { _, connection in
      // The supervisor has negotiated the features with the kernel. This tells libfuse to turn on
      // none of its own.
      unsafe connection?.pointee.want = 0
    }
    unsafe table.lookup = { request, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, _ in
        .entry(try server.lookup(parent, unsafe FilePath(platformString: name)))
      }
    }
    unsafe table.forget = { request, node, count in
      unsafe answer(request) { server, _ in
        server.forget(node, count)
        return .nothing
      }
    }
    unsafe table.forget_multi = { request, count, forgotten in
      unsafe answer(request) { server, _ in
        for i in 0..<count {
          guard let one = unsafe forgotten?[i] else { continue }
          server.forget(one.ino, one.nlookup)
        }
        return .nothing
      }
    }
    unsafe table.getattr = { request, node, _ in
      unsafe answer(request) { server, _ in try server.attributes(node) }
    }
    unsafe table.setattr = { request, node, status, flags, _ in
      guard let status = unsafe status?.pointee else { return }
      unsafe answer(request) { server, request in
        let clears = request.word(0) & 1 << 11 != 0  // FATTR_KILL_SUIDGID
        return try server.setAttributes(
          node, AttributeChange(flags: flags, status: status, clearsPrivileges: clears),
          request)
      }
    }
    unsafe table.readlink = { request, node in
      unsafe answer(request) { server, _ in .bytes(try server.path(node).linkTarget) }
    }
    unsafe table.statfs = { request, node in
      unsafe answer(request) { server, _ in try server.filesystemStatus(node) }
    }
  }

  private static func addNames(_ table: inout fuse_lowlevel_ops) {
    unsafe table.mknod = { request, parent, name, mode, device in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        let name = unsafe FilePath(platformString: name)
        return try server.makeNode(parent, name, mode: mode, device: device, request)
      }
    }
    unsafe table.mkdir = { request, parent, name, mode in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        try server.makeDirectory(
          parent, unsafe FilePath(platformString: name), mode: mode, request)
      }
    }
    unsafe table.symlink = { request, target, parent, name in
      guard let name = unsafe name, let target = unsafe target else { return }
      unsafe answer(request) { server, request in
        try server.makeSymbolicLink(
          parent, unsafe FilePath(platformString: name), to: unsafe RawString(target), request)
      }
    }
    unsafe table.link = { request, node, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        try server.link(node, to: parent, as: unsafe FilePath(platformString: name), request)
      }
    }
    unsafe table.unlink = { request, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        let name = unsafe FilePath(platformString: name)
        return try server.remove(parent, name, isDirectory: false, request)
      }
    }
    unsafe table.rmdir = { request, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        let name = unsafe FilePath(platformString: name)
        return try server.remove(parent, name, isDirectory: true, request)
      }
    }
    unsafe table.rename = { request, parent, name, newParent, newName, flags in
      guard let name = unsafe name, let newName = unsafe newName else { return }
      unsafe answer(request) { server, request in
        try server.rename(
          parent, unsafe FilePath(platformString: name), to: newParent,
          unsafe FilePath(platformString: newName), flags: flags, request)
      }
    }
    unsafe table.create = { request, parent, name, mode, info in
      guard let name = unsafe name, let flags = unsafe info?.pointee.flags else { return }
      unsafe answer(request) { server, request in
        let name = unsafe FilePath(platformString: name)
        return try server.create(parent, name, mode: mode, flags: flags, request)
      }
    }
  }

  private static func addData(_ table: inout fuse_lowlevel_ops) {
    unsafe table.open = { request, node, info in
      let flags = unsafe info?.pointee.flags ?? O_RDONLY
      unsafe answer(request) { server, request in try server.open(node, flags: flags, request) }
    }
    unsafe table.release = { request, node, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { server, _ in server.release(node, open: open) }
    }
    unsafe table.read = { request, node, size, offset, _ in
      unsafe answer(request) { server, request in
        try server.read(node, size, at: offset, request)
        return nil
      }
    }
    unsafe table.write = { request, node, bytes, size, offset, _ in
      unsafe answer(request) { server, request in
        let clears = request.word(5) & 1 << 2 != 0  // FUSE_WRITE_KILL_SUIDGID
        let bytes = unsafe RequestBytes(bytes, size)
        return try server.write(
          node, bytes, at: offset, clearsPrivileges: clears, request)
      }
    }
    unsafe table.fsync = { request, node, dataOnly, _ in
      unsafe answer(request) { server, _ in try server.sync(node, dataOnly: dataOnly != 0) }
    }
    unsafe table.fallocate = { request, node, mode, offset, length, _ in
      unsafe answer(request) { server, request in
        try server.allocate(node, mode: mode, from: offset, length: length, request)
      }
    }
    unsafe table.lseek = { request, node, offset, whence, _ in
      unsafe answer(request) { server, _ in
        try server.seek(node, to: offset, whence: whence)
      }
    }
    unsafe table.copy_file_range = { request, from, offset, _, to, target, _, count, _ in
      unsafe answer(request) { server, request in
        try server.copy(from, at: offset, to: to, at: target, count: count, request)
      }
    }
  }

  private static func addDirectories(_ table: inout fuse_lowlevel_ops) {
    unsafe table.opendir = { request, node, _ in
      unsafe answer(request) { server, request in try server.openDirectory(node, request) }
    }
    unsafe table.readdir = { request, node, size, offset, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { server, request in
        try server.readDirectory(node, open: open, size, at: offset, plus: false, request)
        return nil
      }
    }
    unsafe table.readdirplus = { request, node, size, offset, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { server, request in
        try server.readDirectory(node, open: open, size, at: offset, plus: true, request)
        return nil
      }
    }
    unsafe table.releasedir = { request, _, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { server, _ in server.releaseDirectory(open: open) }
    }
    unsafe table.fsyncdir = { request, node, dataOnly, _ in
      unsafe answer(request) { server, _ in
        try server.syncDirectory(node, dataOnly: dataOnly != 0)
      }
    }
  }

  private static func addExtendedAttributes(_ table: inout fuse_lowlevel_ops) {
    unsafe table.getxattr = { request, node, name, size in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, _ in
        try server.attribute(node, unsafe RawString(name), limit: size)
      }
    }
    unsafe table.listxattr = { request, node, size in
      unsafe answer(request) { server, request in
        try server.attributeNames(node, limit: size, request)
      }
    }
    unsafe table.setxattr = { request, node, name, value, size, flags in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        let value = unsafe RequestBytes(value, size)
        let name = unsafe RawString(name)
        return try server.setAttribute(node, name, value, flags: flags, request)
      }
    }
    unsafe table.removexattr = { request, node, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { server, request in
        try server.removeAttribute(node, unsafe RawString(name), request)
      }
    }
  }
}
