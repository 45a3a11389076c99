import Formatting
import HandleStore

extension StoreSummary {
  func report(_ store: Store) -> Report {
    var report = Report()
    report.add("nodes", nodes)
    report.add("live", live)
    report.add("stale", stale)
    report.add("aliases", aliases)
    report.add("spilled handles", spilled)
    report.add("watches", watches)
    report.add("limbo", limbo)
    report.add("levels of nodes", nodesDepth)
    report.add("levels of index", inodesDepth)
    report.add("readers", readers)
    report.add("used", .bytes(UInt64(usedPages * pageSize)))
    report.add("free", .bytes(UInt64(freePages * pageSize)))
    report.add("bytes a node", .fraction(bytesPerNode))
    report.add("generation", UInt64(store.incarnation))
    return report
  }

  func json(_ store: Store) -> JSON {
    .object(
      report(store).jsonMembers + [
        ("filesystems", .array(store.knownFilesystems().map(\.json))),
        ("groups", .array(groups.map(\.json))),
      ])
  }

  /// The counts, sorted by group.
  var groups: [NodeGroup] {
    counts.map { NodeGroup(group: $0.key, count: $0.value) }.sorted { a, b in
      (a.group.filesystem.rawValue, a.group.handleType.rawValue, a.group.state.rawValue)
        < (b.group.filesystem.rawValue, b.group.handleType.rawValue, b.group.state.rawValue)
    }
  }

  /// The lines of a table of the counts.
  var table: [String] {
    guard !counts.isEmpty else { return [] }
    return [
      "",
      Text.left("FILESYSTEM", 12) + Text.left("HANDLE TYPE", 18) + Text.left("STATE", 7) + "NODES",
    ]
      + groups.map { entry in
        Text.left("\(entry.group.filesystem)", 12)
          + Text.left(entry.group.handleType.description, 18)
          + Text.left(entry.group.state.name, 7) + Text.grouped(entry.count)
      }
  }
}

/// A group of nodes, and how many nodes are in it.
struct NodeGroup {
  let group: StoreSummary.Group
  let count: Int

  var json: JSON {
    .object([
      ("filesystem", .number(UInt64(group.filesystem.rawValue))),
      ("handle_type", .string(group.handleType.description)),
      ("state", .string(group.state.name)), ("nodes", .number(UInt64(count))),
    ])
  }
}

extension Filesystem {
  var report: Report {
    var report = Report()
    report.add("filesystem", UInt64(id.rawValue))
    report.add("kind", identity.magic.description)
    identity.add(to: &report)
    report.add("mounted", .flag(isAttached))
    report.add("put back", .flag(wasPutBack))
    return report
  }

  var json: JSON { report.json }
}
