package import HandleStore

extension PostgresNodeIndex {
  package func use(_ holds: any NodeHolds) { gateway?.use(holds) }

  package func beginPinning() throws { try gateway?.beginPinning() }

  package func keep(_ ids: [NodeID]) throws { try gateway?.keep(ids) }

  package func agreement(on dropping: Dropping) throws -> Dropping {
    var agreed = dropping
    agreed.ids = try writer.agreement(on: dropping.ids)
    return agreed
  }

  /// Drops only nodes on which the gateways have agreed, and which are not watched.
  package func drop(_ dropping: Dropping) throws -> Int {
    let gateway = try writer
    do {
      return try drop(dropping, by: gateway)
    } catch {
      // It may have taken effect all the same. Before something holds one of them, the database is asked.
      gateway.evictions.add(dropping.ids)
      throw error
    }
  }

  private func drop(_ dropping: Dropping, by gateway: Gateway) throws -> Int {
    let session = gateway.session
    let asked = [
      Eviction.droppable(dropping.ids, session),
      Statement("SELECT \(Schema.count)"),
      Statement(
        "SELECT DISTINCT node FROM handlestore_watch WHERE node = ANY ($1)",
        [.integers(dropping.ids.map(\.signed))]),
    ]
    return try gateway.change(ids: dropping.ids, also: asked, limboLimit: limboLimit) {
      nodes, found in
      let change = dropping.among(found, &nodes)
      let before = nodes.entries
      let count = nodes.drop(change)
      let dropped = before.keys.filter { nodes.entries[$0] == nil }
      let further =
        [
          // Another gateway that drops nodes waits here, and then counts anew.
          Schema.lockingCount,
          Eviction.requiringAgreement(on: dropped, session),
          Eviction.withdrawing(dropping.ids, session),
        ] + (dropped.isEmpty ? [] : [Schema.requiring(nodes: dropping.leaving)])
      return (count, further.map { FurtherChange($0) })
    }
  }
}

extension Dropping {
  /// The change as the database allows it: `found` has the nodes that may go, the number of all
  /// nodes, and which of these are watched.
  fileprivate func among(_ found: [Rows], _ nodes: inout MemoryNodes) -> Dropping {
    var change = self
    let agreed = Set((0..<found[0].count).compactMap { found[0].node($0, 0) })
    change.ids = ids.filter(agreed.contains)
    // How many nodes more than these the index has.
    change.leaving -= Int(found[1].integer(0, 0) ?? 0) - nodes.entries.count
    for row in 0..<found[2].count {
      guard let id = found[2].node(row, 0) else { continue }
      nodes.watches.put(Watch(node: id, watcher: WatcherID(rawValue: 0), mask: []))
    }
    return change
  }
}
