internal import Glibc
internal import SystemPackage

/// The two sockets through which commands reach a mounted filesystem. They lie in a directory that
/// is named after the filesystem's device number.
struct Sockets {
  /// The supervisor's socket takes orders, the server's takes questions.
  enum Kind: String, CaseIterable {
    case supervisor
    case server
  }

  static let directory = "/run/handlefs"
  private var path: String
  private let inode: UInt64

  /// Creates the directory for the sockets of a filesystem that is not mounted yet.
  init() throws(Errno) {
    path = "\(Self.directory)/new-\(Processes.id)"
    try Processes.makeDirectory(Self.directory)
    try Processes.makeDirectory(path)
    inode = Processes.inode(of: path)
  }

  /// Finds the sockets of the filesystem that is mounted on a mount point.
  ///
  /// - Throws: `ENOENT` if no handlefs is mounted there.
  init(of mountpoint: String) throws(Errno) {
    guard let mount = try MountTable.handleFS(on: mountpoint) else { throw .noSuchFileOrDirectory }
    self.init(device: mount.device)
  }

  /// Names the sockets of a mounted filesystem by its device number.
  init(device: String) {
    path = "\(Self.directory)/\(device)"
    inode = Processes.inode(of: path)
  }

  /// Creates a socket and listens on it.
  func listen(_ kind: Kind) throws(Errno) -> FileDescriptor {
    try Processes.listen(on: name(kind))
  }

  func connect(_ kind: Kind) throws(Errno) -> FileDescriptor {
    try Processes.connect(to: name(kind))
  }

  /// Renames the directory to the name under which the commands look for it.
  mutating func publish(device: String) throws(Errno) {
    let final = Sockets(device: device)
    // A supervisor that was killed may have left its sockets there.
    final.remove()
    try Processes.rename(path, to: final.path)
    path = final.path
  }

  /// Removes the sockets, unless another filesystem has since taken the device number and put its
  /// own sockets in their place.
  func removeOwn() {
    if Processes.inode(of: path) == inode { remove() }
  }

  private func remove() {
    for kind in Kind.allCases { Processes.remove(name(kind)) }
    Processes.remove(path)
  }

  private func name(_ kind: Kind) -> String { "\(path)/\(kind.rawValue)" }
}
