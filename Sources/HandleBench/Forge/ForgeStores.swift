import Foundation
import HandleStore
import SystemPackage

/// An export and its store.
struct Endpoint {
  let store: Store
  let export: Export
  /// The store's id for the tree's filesystem.
  let filesystem: FilesystemID

  /// Looks up a name in a directory, and returns its tokens by value and by reference.
  func tokens(_ name: FilePath, in directory: NodeID) throws -> [Token] {
    guard let entry = try export.lookup(name, in: .node(directory)) else {
      throw BenchError(description: "\(name) does not exist")
    }
    return [entry.token, try export.token(for: entry.node, form: .reference)]
  }
}

/// The tree, exported with one containment by several servers.
struct Target {
  let containment: Containment
  /// The server under attack.
  let server: Endpoint
  /// The same export by another server, which shares the keys.
  let friend: Endpoint
  /// The same export by a server that shares the keys. Made-up handles are registered with it, so
  /// that their tokens get valid signatures.
  let forger: Endpoint
  /// The same export by a server with another key.
  let stranger: Endpoint
  /// Other exports of the server under attack: of the same directory, of one inside it, of its
  /// parent, and of one beside it.
  let others: [Endpoint]
}

/// The stores of a run.
final class ForgeStores {
  private enum Role: String, CaseIterable {
    case server, friend, forger, stranger
  }

  let targets: [Target]
  private let stores: [Role: Store]
  private let directory: URL

  /// The store of the server under attack.
  var server: Store { targets[0].server.store }

  init(_ tree: ForgeTree, parent: String?) throws {
    let process = ProcessInfo.processInfo.processIdentifier
    let directory = URL(fileURLWithPath: parent ?? NSTemporaryDirectory())
      .appendingPathComponent("handlebench-stores-\(process)")
    self.directory = directory
    do {
      try makeOwnDirectory(FilePath(directory.path))
      stores = try Self.stores(FilePath(directory.path))
      targets = try Self.targets(tree, stores)
    } catch {
      try? FileManager.default.removeItem(at: directory)
      throw error
    }
  }

  func remove() throws {
    for store in stores.values { try store.close() }
    try FileManager.default.removeItem(at: directory)
  }

  private static func stores(_ directory: FilePath) throws -> [Role: Store] {
    var stores: [Role: Store] = [:]
    func path(_ role: Role) -> FilePath { directory.appending(role.rawValue) }
    for role in Role.allCases { stores[role] = try Store(at: path(role)) }
    try Keyring.rotate(ofStoreAt: path(.server))
    for role in [Role.friend, .forger] {
      try Keyring.share(from: path(.server), withStoreAt: path(role))
    }
    return stores
  }

  private static func others(_ tree: ForgeTree, _ server: Store?) throws -> [Endpoint] {
    [
      try endpoint(server, "same", tree.inside, nil, nil),
      try endpoint(server, "inner", tree.inside.appending("directory-0"), nil, nil),
      try endpoint(server, "outer", tree.root, nil, nil),
      try endpoint(server, "beside", tree.outside, nil, nil),
    ]
  }

  private static func targets(_ tree: ForgeTree, _ stores: [Role: Store]) throws -> [Target] {
    let others = try others(tree, stores[.server])
    return try [Containment.kernel, .walk, .cached].compactMap { containment in
      func same(_ role: Role, _ id: ExportID?) throws -> Endpoint {
        try endpoint(stores[role], containment.rawValue, tree.inside, containment, id)
      }
      let server: Endpoint
      do {
        server = try same(.server, nil)
      } catch StoreError.unavailable {
        return nil
      }
      let id = server.export.record.id
      return Target(
        containment: containment, server: server, friend: try same(.friend, id),
        forger: try same(.forger, id), stranger: try same(.stranger, id), others: others)
    }
  }

  private static func endpoint(
    _ store: Store?, _ name: String, _ path: FilePath, _ containment: Containment?, _ id: ExportID?
  ) throws -> Endpoint {
    guard let store else { throw BenchError(description: "a store is missing") }
    let root = try FileDescriptor.open(path, .readOnly, options: .directory)
    defer { try? root.close() }
    let filesystem = try store.attach(root)
    let export = try store.addExport(name, roots: [root], containment: containment, id: id)
    return Endpoint(store: store, export: export, filesystem: filesystem)
  }
}
