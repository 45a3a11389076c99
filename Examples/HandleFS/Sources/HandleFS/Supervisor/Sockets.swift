internal import Glibc
internal import SystemPackage

/// Where the commands find a mounted file system: two sockets in a directory that is named after its
/// device number.
struct Sockets {
  /// Orders to the supervisor arrive at one, questions to the server at the other.
  enum Kind: String, CaseIterable {
    case supervisor
    case server
  }

  private static let directory = "/run/handlefs"
  private var path: String
  private let inode: UInt64

  /// Those of a file system that is about to be mounted.
  init() throws(Errno) {
    path = "\(Self.directory)/new-\(Processes.id)"
    try Processes.makeDirectory(Self.directory)
    try Processes.makeDirectory(path)
    inode = Processes.inode(of: path)
  }

  /// Those of the one that is mounted in a place.
  ///
  /// - Throws: `ENOENT` where no such file system is mounted there.
  init(of mountpoint: String) throws(Errno) {
    guard let mount = try MountTable.handleFS(on: mountpoint) else { throw .noSuchFileOrDirectory }
    self.init(device: mount.device)
  }

  /// Those of one that is mounted, by its device number.
  init(device: String) {
    path = "\(Self.directory)/\(device)"
    inode = Processes.inode(of: path)
  }

  /// Waits for connections.
  func listen(_ kind: Kind) throws(Errno) -> FileDescriptor {
    try Processes.listen(on: name(kind))
  }

  func connect(_ kind: Kind) throws(Errno) -> FileDescriptor {
    try Processes.connect(to: name(kind))
  }

  /// Takes the name under which the commands look for it.
  mutating func publish(device: String) throws(Errno) {
    let final = Sockets(device: device)
    // Those of a supervisor that was killed.
    final.remove()
    try Processes.rename(path, to: final.path)
    path = final.path
  }

  /// Removes them, unless another file system has taken the device number and their place since.
  func removeOwn() {
    if Processes.inode(of: path) == inode { remove() }
  }

  private func remove() {
    for kind in Kind.allCases { Processes.remove(name(kind)) }
    Processes.remove(path)
  }

  private func name(_ kind: Kind) -> String { "\(path)/\(kind.rawValue)" }
}
