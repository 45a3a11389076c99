// The wall before libfuse: unsafe code that talks to libfuse stands in this folder and nowhere
// else.

internal import CFUSE
internal import CHandleFS
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// A request from the kernel. It is valid until it is answered, and only in the thread that
/// received it.
@safe struct Request {
  /// libfuse's handle of the request; `nil` if libfuse does not know this kind of request.
  private let raw: fuse_req_t?

  init(_ raw: fuse_req_t?) { unsafe self.raw = raw }

  private var header: fuse_in_header {
    guard let header = unsafe hf_request() else { fatalError("no request in this thread") }
    return unsafe header.pointee
  }

  /// The request's number; it stays the same when the request is resent.
  var number: UInt64 { header.unique & ~HF_RESENT }
  /// Whether this server or an earlier one read the request before and did not answer it.
  var isResent: Bool { header.unique & HF_RESENT != 0 }

  /// Whether another thread may work for the caller without taking the place of the one that answers it.
  var leavesAProcessor: Bool { hf_leaves_a_processor() == 1 }

  /// Returns a 32-bit word of the request after its header; libfuse does not pass on all of them.
  func word(_ index: Int) -> UInt32 {
    guard let header = unsafe hf_request() else { return 0 }
    precondition(unsafe MemoryLayout<fuse_in_header>.size + (index + 1) * 4 <= header.pointee.len)
    return unsafe UnsafeRawPointer(header + 1).load(fromByteOffset: index * 4, as: UInt32.self)
  }

  /// Calls `body` with the caller's credentials. Outside of `body` the server acts as itself.
  func asCaller<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    let caller = caller
    return try Credentials.acting(for: caller.uid, caller.gid, mask: mask, body)
  }

  /// The caller's mask for the permissions of a new file; `nil` if the request makes no file that has
  /// any.
  private var mask: mode_t? {
    switch header.opcode {
    case FUSE_MKNOD.rawValue, FUSE_MKDIR.rawValue, FUSE_CREATE.rawValue:
      unsafe raw.map { unsafe fuse_req_ctx($0).pointee.umask }
    case HF_TMPFILE: word(2)
    default: nil
    }
  }

  /// The caller's user and group.
  ///
  /// With FUSE_ALLOW_IDMAP the kernel says them only if the request makes a file, as whose owner.
  /// For any other request they are those of the process.
  private var caller: (uid: uid_t, gid: gid_t) {
    let header = header
    guard header.uid == .max else { return (header.uid, header.gid) }
    return Credentials.user(of: CInt(bitPattern: header.pid))
  }

  /// Whether the request changes something, or opens a file for writing.
  var changes: Bool {
    let header = header
    guard header.opcode != FUSE_OPEN.rawValue else { return CInt(word(0)) & O_ACCMODE != O_RDONLY }
    if header.opcode == FUSE_IOCTL.rawValue { return FileFlags(command: word(3))?.changes ?? false }
    return header.opcode == HF_TMPFILE || Self.changing.contains(header.opcode)
  }

  private static let changing = Set(
    [
      FUSE_SETATTR, FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR, FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME,
      FUSE_LINK, FUSE_WRITE, FUSE_SETXATTR, FUSE_REMOVEXATTR, FUSE_CREATE, FUSE_FALLOCATE,
      FUSE_RENAME2,
      FUSE_COPY_FILE_RANGE,
    ].map(\.rawValue))

  var kind: UInt32 { header.opcode }
  var node: UInt64 { header.nodeid }

  /// The caller's supplementary groups, as far as libfuse can find them out.
  var groups: [gid_t] {
    var groups = [gid_t](repeating: 0, count: 256)
    let count = unsafe fuse_req_getgroups(raw, 256, &groups)
    return Array(groups.prefix(max(0, min(Int(count), 256))))
  }

  /// Whether the caller is root.
  var isOfRoot: Bool { caller.uid == 0 }

  /// Whether the caller has CAP_FSETID; `false` if that is unknown, as for a process that this one
  /// cannot see.
  var maySetID: Bool { hf_may_set_id(Int32(bitPattern: header.pid)) == 1 }

  /// Whether the caller is a member of a group.
  func isMember(of group: gid_t) -> Bool { caller.gid == group || groups.contains(group) }

  // MARK: Replies

  /// Sends a reply. A failure is ignored: it means that the caller was killed or the filesystem is
  /// gone.
  func send(_ reply: Reply, on fuse: FileDescriptor) {
    guard let raw = unsafe raw else { return sendRaw(reply, on: fuse) }
    switch reply {
    case .error(let errno): unsafe fuse_reply_err(raw, errno.rawValue)
    case .done: unsafe fuse_reply_err(raw, 0)
    case .nothing: unsafe fuse_reply_none(raw)
    case .entry(let entry):
      var parameters = entry.parameters
      unsafe fuse_reply_entry(raw, &parameters)
    case .status(let status, let seconds):
      var status = status
      unsafe fuse_reply_attr(raw, &status, trust(in: status.st_mode, seconds))
    case .extendedStatus: unsafe fuse_reply_err(raw, ENOSYS)
    case .opened(let opened): unsafe send(opened, to: raw)
    case .created(let entry, let opened): unsafe send(entry, opened, to: raw)
    case .written(let count): unsafe fuse_reply_write(raw, count)
    case .bytes(let bytes):
      unsafe fuse_reply_buf(raw, bytes.map { CChar(bitPattern: $0) }, bytes.count)
    case .control(let bytes): unsafe fuse_reply_ioctl(raw, 0, bytes, bytes.count)
    case .buffer(let buffer, let count):
      unsafe buffer.withUnsafeBytes { bytes in
        _ = unsafe fuse_reply_buf(
          raw, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), count)
      }
    case .size(let size): unsafe fuse_reply_xattr(raw, size)
    case .offset(let offset): unsafe fuse_reply_lseek(raw, offset)
    case .filesystem(let status):
      var status = status
      unsafe fuse_reply_statfs(raw, &status)
    }
  }

  /// Sends a reply that libfuse 3.14 cannot make: it carries the number under which the kernel
  /// keeps the file.
  private func send(_ opened: Opened, to raw: fuse_req_t) {
    var reply = opened.reply
    unsafe withUnsafeBytes(of: &reply) { bytes in
      _ = unsafe fuse_reply_buf(
        raw, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
  }

  /// Sends the reply to CREATE, which libfuse 3.14 cannot make either.
  private func send(_ entry: Entry, _ opened: Opened, to raw: fuse_req_t) {
    var reply = (entry.reply, opened.reply)
    unsafe withUnsafeBytes(of: &reply) { bytes in
      _ = unsafe fuse_reply_buf(
        raw, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
  }
}

extension Request {
  /// Answers a request that libfuse does not know.
  private func sendRaw(_ reply: Reply, on fuse: FileDescriptor) {
    switch reply {
    case .error(let errno): unsafe hf_reply(fuse.rawValue, hf_request(), errno.rawValue, nil, 0)
    case .created(let entry, let opened):
      var reply = (entry.reply, opened.reply)
      unsafe withUnsafeBytes(of: &reply) { unsafe send($0, on: fuse) }
    case .extendedStatus(let status, let seconds):
      var reply = status.reply
      (reply.seconds, reply.nanoseconds) = parts(of: trust(in: status.mode, seconds))
      unsafe withUnsafeBytes(of: &reply) { unsafe send($0, on: fuse) }
    default: sendRaw(.error(.noFunction), on: fuse)
    }
  }

  private func send(_ bytes: UnsafeRawBufferPointer, on fuse: FileDescriptor) {
    unsafe hf_reply(fuse.rawValue, hf_request(), 0, bytes.baseAddress, bytes.count)
  }
}

/// Returns for how long the kernel may believe the status of a file, in seconds: 0 for a regular
/// file with a set-user-id or set-group-id bit.
///
/// A write clears that bit without the kernel noticing. A process that executes the file must get
/// the file's present contents with the file's present rights, so the kernel has to ask each time,
/// the last time after the file can no longer be written.
private func trust(in mode: mode_t, _ seconds: Double) -> Double { hasSetID(mode) ? 0 : seconds }

/// Whether a mode is that of a regular file with a set-user-id or set-group-id bit.
func hasSetID(_ mode: mode_t) -> Bool {
  mode & S_IFMT == S_IFREG && mode & (S_ISUID | S_ISGID) != 0
}

/// Splits seconds into whole seconds and nanoseconds.
private func parts(of seconds: Double) -> (UInt64, UInt32) {
  let whole = UInt64(seconds)
  return (whole, UInt32((seconds - Double(whole)) * 1e9))
}

/// The answer to a request.
enum Reply {
  case error(Errno)
  case done
  /// No reply, as for FORGET.
  case nothing
  case entry(Entry)
  case status(stat, seconds: Double)
  /// A file's status with its birth time.
  case extendedStatus(ExtendedStatus, seconds: Double)
  case opened(Opened)
  case created(Entry, Opened)
  case written(Int)
  case bytes([UInt8])
  /// What an `ioctl(2)` got.
  case control([UInt8])
  case buffer(Buffer, Int)
  case size(Int)
  case offset(Int)
  case filesystem(statvfs)
}

/// A file that was looked up or created: its node as the kernel sees it, and its status.
struct Entry {
  /// 0 for a name that is known not to exist.
  var node: UInt64
  var generation: UInt64
  var status: stat
  /// For how long the kernel may believe that the name leads to the node, in seconds.
  var nameTime: Double
  /// For how long the kernel may believe the status, in seconds.
  var statusTime: Double
}

/// A file's status with its birth time (`statx(2)`), for a reply.
struct ExtendedStatus {
  let mode: mode_t
  fileprivate let reply: hf_statx_reply

  /// - Parameter inode: the inode number that the kernel is told.
  init(of file: BackingFile, inode: UInt64) throws(Errno) {
    var reply = hf_statx_reply()
    mode = mode_t(try checked(unsafe hf_fill_statx(file.number, inode, &reply)))
    self.reply = reply
  }
}

/// An open of a file.
struct Opened {
  /// The open's number; the request to close it names this number.
  var number: UInt64
  /// The number under which the kernel keeps the file; 0 if it does not keep it.
  var backing: UInt32
  var flags: UInt32 = 0
}

extension Entry {
  var parameters: fuse_entry_param {
    fuse_entry_param(
      ino: node, generation: generation, attr: status,
      attr_timeout: trust(in: status.st_mode, statusTime), entry_timeout: nameTime)
  }

  fileprivate var reply: fuse_entry_out {
    let name = parts(of: nameTime)
    let attributes = parts(of: trust(in: status.st_mode, statusTime))
    return fuse_entry_out(
      nodeid: node, generation: generation, entry_valid: name.0, attr_valid: attributes.0,
      entry_valid_nsec: name.1, attr_valid_nsec: attributes.1, attr: fuse_attr(status))
  }
}

extension Opened {
  fileprivate var reply: fuse_open_out {
    fuse_open_out(
      fh: number, open_flags: flags | (backing == 0 ? 0 : HF_OPEN_PASSTHROUGH), padding: backing)
  }
}

extension fuse_attr {
  fileprivate init(_ status: stat) {
    self.init(
      ino: UInt64(status.st_ino), size: UInt64(status.st_size), blocks: UInt64(status.st_blocks),
      atime: UInt64(bitPattern: Int64(status.st_atim.tv_sec)),
      mtime: UInt64(bitPattern: Int64(status.st_mtim.tv_sec)),
      ctime: UInt64(bitPattern: Int64(status.st_ctim.tv_sec)),
      atimensec: UInt32(status.st_atim.tv_nsec), mtimensec: UInt32(status.st_mtim.tv_nsec),
      ctimensec: UInt32(status.st_ctim.tv_nsec), mode: status.st_mode,
      nlink: UInt32(truncatingIfNeeded: status.st_nlink), uid: status.st_uid, gid: status.st_gid,
      rdev: UInt32(truncatingIfNeeded: status.st_rdev), blksize: UInt32(status.st_blksize),
      flags: 0)
  }
}
