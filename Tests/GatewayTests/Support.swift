import Glibc
import HandleStore
import PostgresNodeIndex
import SystemPackage
import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// The tests start a database server.
  static var server: Self {
    .enabled(if: DatabaseServer.isInstalled, "PostgreSQL 15 is not installed")
  }

  /// They also mount filesystems and open handles.
  static var serverAndMounts: Self {
    .enabled(if: DatabaseServer.isInstalled && mayMount, "needs PostgreSQL 15 and root")
  }
}

/// Gateways of one store, in a database of its own.
struct Gateways {
  let database: String

  /// - Parameter server: the server; `nil` for the one that tests share.
  init(on server: DatabaseServer? = nil) throws {
    database = try server?.database() ?? DatabaseServer.database()
  }

  func open(
    _ name: String, lease: Duration = .seconds(10), patience: Duration = .seconds(30),
    _ options: StoreOptions = StoreOptions()
  ) throws -> Store {
    try Store(
      shared: database, gateway: name, options: options,
      gatewayOptions: GatewayOptions(lease: lease, patience: patience))
  }
}

extension Store {
  /// Registers what a name in a directory stands for.
  func register(
    _ name: String, in directory: FilePath, on filesystem: FilesystemID
  ) throws -> Registration {
    let folder = try FileDescriptor.open(directory, .readOnly, options: .directory)
    return try folder.closeAfter {
      try register(FoundFile(name: FilePath(name), in: folder), on: filesystem)
    }
  }

  /// What is in a node's file.
  func contents(_ id: NodeID) throws -> String {
    let descriptor = try open(id, as: .readOnly)
    return try descriptor.closeAfter { try readAll(descriptor) }
  }
}

/// Waits until something is so, for a few seconds.
func becomes(_ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + .seconds(10)
  while try !condition() {
    guard ContinuousClock.now < end else { return false }
    usleep(2000)
  }
  return true
}
