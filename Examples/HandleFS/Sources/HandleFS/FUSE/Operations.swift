internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// Returns the handler that a pointer for C stands for.
private func handler(_ pointer: UnsafeMutableRawPointer?) -> (any RequestHandler)? {
  guard let pointer = unsafe pointer else { return nil }
  return unsafe Unmanaged<HandlerBox>.fromOpaque(pointer).takeUnretainedValue().handler
}

/// Runs `body` with the handler and the request, and sends the reply that it returns.
private func answer(
  _ raw: fuse_req_t?, _ body: (any RequestHandler, Request) throws -> Reply?
) {
  guard let raw = unsafe raw, let handler = unsafe handler(fuse_req_userdata(raw)) else { return }
  let request = unsafe Request(raw)
  handler.answer(request) { try body(handler, request) }
}

/// The functions that libfuse calls, one for each kind of request. Each converts the arguments from
/// C, has the handler do the work, and sends the reply.
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

  /// What is done besides the requests that libfuse knows.
  static let others = unsafe hf_handlers(
    serve_unknown: serveUnknown, known: known, draw: draw)

  private static let known:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt64>?, Int) -> Int = {
      pointer, nodes, most in
      guard let handler = unsafe handler(pointer), let nodes = unsafe nodes else { return 0 }
      let known = handler.knownNodes(most: most)
      for (place, node) in known.enumerated() { unsafe nodes[place] = node }
      return known.count
    }

  private static let draw: @convention(c) (UnsafeMutableRawPointer?, UInt32, UInt32) -> Void = {
    pointer, processors, count in
    unsafe handler(pointer)?.draw(processors: Int(processors), count: Int(count))
  }

  private static let serveUnknown:
    @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<fuse_in_header>?) -> Void = {
      pointer, _ in
      guard let handler = unsafe handler(pointer) else { return }
      let request = unsafe Request(nil)
      handler.answer(request) {
        request.kind == HF_STATX
          ? try handler.extendedAttributes(request.node)
          : try handler.createUnnamed(in: request.node, mode: request.word(1), for: request)
      }
    }

  private static func addNodes(_ table: inout fuse_lowlevel_ops) {
    unsafe table.`init` = { _, connection in
      // The supervisor has negotiated the features with the kernel. This tells libfuse to turn on
      // none of its own. It passes on no ioctl of a directory unless it is told to.
      unsafe connection?.pointee.want = UInt32(FUSE_CAP_IOCTL_DIR)
    }
    unsafe table.lookup = { request, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, _ in
        .entry(try handler.lookup(parent, unsafe FilePath(platformString: name)))
      }
    }
    unsafe table.forget = { request, node, count in
      unsafe answer(request) { handler, _ in
        handler.forget(node, count)
        return .nothing
      }
    }
    unsafe table.forget_multi = { request, count, forgotten in
      unsafe answer(request) { handler, _ in
        for i in 0..<count {
          guard let one = unsafe forgotten?[i] else { continue }
          handler.forget(one.ino, one.nlookup)
        }
        return .nothing
      }
    }
    unsafe table.getattr = { request, node, _ in
      unsafe answer(request) { handler, _ in try handler.attributes(node) }
    }
    unsafe table.setattr = { request, node, status, flags, _ in
      guard let status = unsafe status?.pointee else { return }
      unsafe answer(request) { handler, request in
        let clears = request.word(0) & 1 << 11 != 0  // FATTR_KILL_SUIDGID
        return try handler.setAttributes(
          node, AttributeChange(flags: flags, status: status, clearsPrivileges: clears),
          for: request)
      }
    }
    unsafe table.ioctl = { request, node, command, _, _, _, bytes, size, _ in
      unsafe answer(request) { handler, request in
        try handler.flags(
          node, command: command, unsafe RequestBytes(bytes, size), for: request)
      }
    }
    unsafe table.readlink = { request, node in
      unsafe answer(request) { handler, _ in try handler.linkTarget(node) }
    }
    unsafe table.statfs = { request, node in
      unsafe answer(request) { handler, _ in try handler.filesystemStatus(node) }
    }
  }

  private static func addNames(_ table: inout fuse_lowlevel_ops) {
    unsafe table.mknod = { request, parent, name, mode, device in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        let name = unsafe FilePath(platformString: name)
        return try handler.makeNode(name, in: parent, mode: mode, device: device, for: request)
      }
    }
    unsafe table.mkdir = { request, parent, name, mode in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        try handler.makeDirectory(
          unsafe FilePath(platformString: name), in: parent, mode: mode, for: request)
      }
    }
    unsafe table.symlink = { request, target, parent, name in
      guard let name = unsafe name, let target = unsafe target else { return }
      unsafe answer(request) { handler, request in
        try handler.makeSymbolicLink(
          unsafe FilePath(platformString: name), in: parent, to: unsafe RawString(target),
          for: request)
      }
    }
    unsafe table.link = { request, node, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        try handler.link(
          node, to: parent, as: unsafe FilePath(platformString: name), for: request)
      }
    }
    unsafe table.unlink = { request, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        let name = unsafe FilePath(platformString: name)
        return try handler.remove(name, in: parent, isDirectory: false, for: request)
      }
    }
    unsafe table.rmdir = { request, parent, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        let name = unsafe FilePath(platformString: name)
        return try handler.remove(name, in: parent, isDirectory: true, for: request)
      }
    }
    unsafe table.rename = { request, parent, name, newParent, newName, flags in
      guard let name = unsafe name, let newName = unsafe newName else { return }
      unsafe answer(request) { handler, request in
        try handler.rename(
          unsafe FilePath(platformString: name), in: parent,
          to: unsafe FilePath(platformString: newName), in: newParent, flags: flags, for: request)
      }
    }
    unsafe table.create = { request, parent, name, mode, info in
      guard let name = unsafe name, let flags = unsafe info?.pointee.flags else { return }
      unsafe answer(request) { handler, request in
        let name = unsafe FilePath(platformString: name)
        return try handler.create(name, in: parent, mode: mode, flags: flags, for: request)
      }
    }
  }

  private static func addData(_ table: inout fuse_lowlevel_ops) {
    unsafe table.open = { request, node, info in
      let flags = unsafe info?.pointee.flags ?? O_RDONLY
      unsafe answer(request) { handler, request in
        try handler.open(node, flags: flags, for: request)
      }
    }
    unsafe table.release = { request, node, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { handler, _ in handler.release(node, open: open) }
    }
    unsafe table.read = { request, node, size, offset, info in
      let flags = unsafe info?.pointee.flags ?? 0
      unsafe answer(request) { handler, request in
        try handler.read(node, size: size, at: offset, flags: flags, for: request)
        return nil
      }
    }
    unsafe table.write = { request, node, bytes, size, offset, _ in
      unsafe answer(request) { handler, request in
        let clears = request.word(5) & 1 << 2 != 0  // FUSE_WRITE_KILL_SUIDGID
        let bytes = unsafe RequestBytes(bytes, size)
        return try handler.write(
          node, bytes, at: offset, clearsPrivileges: clears, for: request)
      }
    }
    unsafe table.fsync = { request, node, dataOnly, _ in
      unsafe answer(request) { handler, _ in try handler.sync(node, dataOnly: dataOnly != 0) }
    }
    unsafe table.fallocate = { request, node, mode, offset, length, _ in
      unsafe answer(request) { handler, request in
        try handler.allocate(node, mode: mode, from: offset, length: length, for: request)
      }
    }
    unsafe table.lseek = { request, node, offset, whence, _ in
      unsafe answer(request) { handler, _ in
        try handler.seek(node, to: offset, whence: whence)
      }
    }
    unsafe table.copy_file_range = { request, from, offset, _, to, target, _, count, _ in
      unsafe answer(request) { handler, request in
        try handler.copy(from, at: offset, to: to, at: target, count: count, for: request)
      }
    }
  }

  private static func addDirectories(_ table: inout fuse_lowlevel_ops) {
    unsafe table.opendir = { request, node, info in
      let flags = unsafe info?.pointee.flags ?? 0
      unsafe answer(request) { handler, request in
        try handler.openDirectory(node, flags: flags, for: request)
      }
    }
    unsafe table.readdir = { request, node, size, offset, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { handler, request in
        try handler.readDirectory(
          node, open: open, size: size, at: offset, plus: false, for: request)
        return nil
      }
    }
    unsafe table.readdirplus = { request, node, size, offset, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { handler, request in
        try handler.readDirectory(
          node, open: open, size: size, at: offset, plus: true, for: request)
        return nil
      }
    }
    unsafe table.releasedir = { request, _, info in
      let open = unsafe info?.pointee.fh ?? 0
      unsafe answer(request) { handler, _ in handler.releaseDirectory(open: open) }
    }
    unsafe table.fsyncdir = { request, node, dataOnly, _ in
      unsafe answer(request) { handler, _ in
        try handler.syncDirectory(node, dataOnly: dataOnly != 0)
      }
    }
  }

  private static func addExtendedAttributes(_ table: inout fuse_lowlevel_ops) {
    unsafe table.getxattr = { request, node, name, size in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, _ in
        try handler.attribute(node, unsafe RawString(name), limit: size)
      }
    }
    unsafe table.listxattr = { request, node, size in
      unsafe answer(request) { handler, request in
        try handler.attributeNames(node, limit: size, for: request)
      }
    }
    unsafe table.setxattr = { request, node, name, value, size, flags in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        let value = unsafe RequestBytes(value, size)
        let name = unsafe RawString(name)
        return try handler.setAttribute(
          node, name: name, value: value, flags: flags, for: request)
      }
    }
    unsafe table.removexattr = { request, node, name in
      guard let name = unsafe name else { return }
      unsafe answer(request) { handler, request in
        try handler.removeAttribute(node, name: unsafe RawString(name), for: request)
      }
    }
  }
}
