internal import ArgumentParser
internal import HandleStore
internal import PostgresNodeIndex

/// The options of a mount whose nodes are in a database, which the gateways of several hosts share.
struct DatabaseOptions: ParsableArguments {
  @Option(
    name: .customLong("shared"),
    help: ArgumentHelp(
      "Keep the nodes in a PostgreSQL database, which several hosts share, instead of --store.",
      discussion:
        "A connection string of libpq, such as service=nodes. It must have no password: put that into a "
        + "service file or a password file. Each mount is a gateway of its own (Docs/Gateways.md).",
      valueName: "connection"))
  var connection: String?

  @Option(
    help: ArgumentHelp(
      "The mount's name among the gateways of the database, 1 to 64 bytes.",
      discussion:
        "A mount takes over the name from another one that has it, which can then use the database no "
        + "more. The default is made of the host's name and the mount point.",
      valueName: "name"))
  var gateway: String?

  @Option(
    help: ArgumentHelp(
      "The name of SOURCE's filesystem in the store, the same on all hosts.",
      discussion:
        "Needed if the hosts mount it from different sources, or see it under different ids: otherwise the "
        + "store takes it for several filesystems. Another filesystem under this name is refused, by the "
        + "handle of its root directory.",
      valueName: "name"))
  var filesystemName: String?

  @Option(
    help: ArgumentHelp(
      "A local directory in which to keep the nodes of the database that the mount has come across.",
      discussion:
        "They are then found without the network, also by the next server after a kill. It is made if it "
        + "does not exist, and must be the mount's own.",
      valueName: "dir"))
  var cache: String?

  @Option(
    help: ArgumentHelp(
      "How long a request waits for a database that does not answer, before it fails: 1 to 3600.",
      valueName: "seconds"))
  var patience = 30.0

  /// Throws unless the values are in their ranges.
  func requireRanges() throws {
    guard (1...3600).contains(patience) else {
      throw ValidationError("the patience takes 1 to 3600 seconds")
    }
    guard (1...64).contains(gateway?.utf8.count ?? 1) else {
      throw ValidationError("the name of a gateway has 1 to 64 bytes")
    }
    guard connection != nil || gateway == nil else {
      throw ValidationError("a gateway is of a database: give --shared CONNECTION too")
    }
    guard connection != nil || filesystemName == nil else {
      throw ValidationError(
        "a filesystem's name is for hosts that share a database: give --shared CONNECTION too")
    }
    guard (1...64).contains(filesystemName?.utf8.count ?? 1) else {
      throw ValidationError("the name of a filesystem has 1 to 64 bytes")
    }
    guard connection != nil || cache == nil else {
      throw ValidationError("a cache is of a database: give --shared CONNECTION too")
    }
  }

  /// Throws if the connection string is not one, or if it would show a password to every user of this
  /// machine.
  func requireNoPassword() throws {
    guard let connection else { return }
    guard try !Store.hasPassword(inShared: connection) else {
      throw CommandError(
        "the connection string has a password, and every user of this machine can read it in the list of "
          + "processes; put it into a password file (passfile) or a service file (--shared service=NAME), "
          + "and change it", .usage)
    }
  }

  /// The options as command line arguments.
  var arguments: [String] {
    guard let connection else { return [] }
    return ["--shared=\(connection)", "--patience", "\(patience)"]
      + (gateway.map { ["--gateway=\($0)"] } ?? []) + (cache.map { ["--cache=\($0)"] } ?? [])
      + (filesystemName.map { ["--filesystem-name=\($0)"] } ?? [])
  }

  /// Returns the options with the name by which the mount is a gateway.
  func named(_ mountpoint: String) -> DatabaseOptions {
    var options = self
    if connection != nil {
      options.gateway = gateway ?? Self.name(of: mountpoint, on: Processes.hostName)
    }
    return options
  }

  /// Returns the name of a mount's gateway, which no other mount of the host has. One that is too long is
  /// cut, and ends with a hash of the whole.
  static func name(of mountpoint: String, on host: String) -> String {
    let name = "\(host):\(mountpoint)"
    guard name.utf8.count > 64 else { return name }
    var start = name
    while start.utf8.count > 47 { start.removeLast() }
    return "\(start)-\(String(stableHash(name), radix: 16))"
  }
}

extension MountOptions {
  /// Whether the nodes are in a database.
  var isShared: Bool { database.connection != nil }

  /// Throws if options contradict each other because of the place of the nodes.
  func requireOnePlace() throws {
    guard isShared else {
      guard !store.isEmpty else {
        throw ValidationError(
          "the store is missing: give --store DIR or -o store=DIR, or --shared CONNECTION")
      }
      return
    }
    guard nodes == 0 else {
      throw ValidationError(
        "nodes needs a store in a directory: the nodes of a database are those of all its gateways")
    }
    guard handles != .never else {
      throw ValidationError(
        "handles=never needs a store in a directory: files that are kept open here are of no use to the "
          + "other gateways of a database")
    }
  }
}
