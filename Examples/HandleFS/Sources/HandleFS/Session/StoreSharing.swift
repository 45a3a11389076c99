internal import CHandleFS
internal import HandleStore
internal import SystemPackage

/// How the mounts of one store find each other. Only one process can have a store open. It serves all
/// mounts of the store: it is their host, and the servers of the other mounts are its guests.
///
/// Locks of bytes of a file say who is who. All processes of a mount have the same open file
/// description, so the kernel keeps the locks until the last of them has ended: if a host is killed, its
/// supervisor starts the next one.
///
/// The file is named after the device and the inode number of the store's directory, which all processes
/// have open. So nobody is misled if the directory is moved, or another one lies at its path.
struct StoreSharing {
  /// The byte that the mount with the host has locked. Each mount has locked one of the following.
  private static let host = 0
  private static let most = 250

  private let locks: FileDescriptor
  private let path: String

  init(_ session: SessionDescriptors) throws { try self.init(session.store, session.sharing) }

  /// - Parameters:
  ///   - store: the store's directory.
  ///   - locks: what ``join(_:)`` returned.
  init(_ store: FileDescriptor, _ locks: FileDescriptor) throws {
    self.locks = locks
    path = try Self.path(store)
  }

  private static func path(_ store: FileDescriptor) throws -> String {
    let status = try FileStatus(of: store)
    return "\(Sockets.directory)/store-\(status.device)-\(status.inode)"
  }

  /// Opens the file, and locks a byte for a new mount.
  ///
  /// - Parameter store: the store's directory.
  static func join(_ store: FileDescriptor) throws -> FileDescriptor {
    let name = "\(try path(store)).locks"
    while true {
      let locks = try FileDescriptor.open(
        FilePath(name), .readWrite, options: [.create, .noFollow, .closeOnExec],
        permissions: .ownerReadWrite)
      _ = hf_gate(locks.rawValue, 1)
      let isPresent = try addMount(locks) && isPresent(locks, at: name)
      _ = hf_gate(locks.rawValue, 0)
      if isPresent { return locks }
      // The last mount has just removed the file.
      try locks.close()
    }
  }

  private static func isPresent(_ locks: FileDescriptor, at name: String) -> Bool {
    guard let file = try? BackingFile.path(FilePath(name)) else { return false }
    return hf_is_same_file(locks.rawValue, file.number) == 1
  }

  private static func addMount(_ locks: FileDescriptor) throws -> Bool {
    for byte in 1...most where try checked(hf_lock_byte(locks.rawValue, byte)) == 1 { return true }
    throw CommandError("\(most) mounts use the store; unmount one first", .store)
  }

  /// Removes what is left of the file and the socket if no other mount uses the store.
  func leave() {
    _ = hf_gate(locks.rawValue, 1)
    if otherMounts == 0, Self.isPresent(locks, at: "\(path).locks") {
      FaultPoint.wait(at: .storeLeft)
      for kind in ["locks", "socket"] { Processes.remove("\(path).\(kind)") }
    }
    _ = hf_gate(locks.rawValue, 0)
  }

  /// Makes this process the host, unless another mount has one or is about to start one.
  func becomeHost() throws(Errno) -> Bool {
    try checked(hf_lock_byte(locks.rawValue, Self.host)) == 1
  }

  /// How many other mounts use the store.
  var otherMounts: Int { (1...Self.most).count { hf_is_locked(locks.rawValue, $0) == 1 } }

  /// Whether another session's file is the same one.
  func isShared(with other: SessionDescriptors) -> Bool {
    hf_is_same_file(locks.rawValue, other.sharing.rawValue) == 1
  }

  // MARK: Connections

  /// The host listens for guests.
  func listen() throws(Errno) -> FileDescriptor { try Processes.listen(on: "\(path).socket") }

  /// Connects a guest with the host; returns `nil` if no host listens.
  func connect() -> FileDescriptor? {
    guard let connection = try? Processes.connect(to: "\(path).socket") else { return nil }
    if Processes.isOwn(connection) { return connection }
    try? connection.close()
    return nil
  }
}
