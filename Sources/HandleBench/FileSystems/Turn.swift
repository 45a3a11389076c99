import CYardstick
import Formatting

/// What one contender does between its mount and the next contender's. Turns are short and take
/// seconds, so that a slow phase of the machine hits all contenders. Only one is mounted at a time,
/// because a server that watches the filesystem would be busy with the others' changes.
struct Turn {
  let name: String
  /// The directory to show, or `nil` for a new one.
  var source: String?
  /// A command that is run first, and not measured.
  var preparation: [String]?
  let workloads: [FileSystemWorkload]

  /// The turns for so many files. With 10,000 files, the big file has 256 MiB.
  static func all(files: Int, _ projects: Projects) -> [Turn] {
    [1, 4].flatMap { clients in
      [smallFiles(files, clients), bigFile(files, clients)]
    } + projects.turns
  }

  private static func smallFiles(_ files: Int, _ clients: Int) -> Turn {
    let rows: [(String, fsload_kind, isCold: Bool, goal: Double)] = [
      ("create, write 100 B", FSLOAD_CREATE, false, 1.1),
      ("stat", FSLOAD_STAT, false, 1.5),
      ("stat, cold", FSLOAD_STAT, true, 1.1),
      ("open, read, close", FSLOAD_READ, false, 1.5),
      ("readdir and stat, cold", FSLOAD_LIST, true, 1.1),
      ("rename", FSLOAD_RENAME, false, 1),
      ("unlink", FSLOAD_UNLINK, false, 0.9),
    ]
    let workloads = rows.map { name, kind, isCold, goal in
      FileSystemWorkload(
        name: name, clients: clients, work: .load(kind, each: share(files, clients)),
        isCold: isCold, goal: clients == 1 ? goal : 1)
    }
    return Turn(name: "small files, \(clientsText(clients))", workloads: workloads)
  }

  private static func bigFile(_ files: Int, _ clients: Int) -> Turn {
    let rows = [
      ("write 128 KiB", FSLOAD_WRITE_BIG, 2048), ("read 128 KiB", FSLOAD_READ_BIG, 2048),
      ("read 4 KiB, random", FSLOAD_READ_RANDOM, 20_000),
    ]
    let workloads = rows.map { name, kind, count in
      FileSystemWorkload(
        name: name, clients: clients,
        work: .load(kind, each: share(count * files / 10_000, clients)))
    }
    return Turn(name: "big files, \(clientsText(clients))", workloads: workloads)
  }

  private static func share(_ count: Int, _ clients: Int) -> Int { max(1, count / clients) }

  static func clientsText(_ clients: Int) -> String {
    clients == 1 ? "1 client" : "\(clients) clients"
  }
}
