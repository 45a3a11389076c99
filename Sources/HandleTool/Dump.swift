import ArgumentParser
import Formatting
import HandleStore

struct Dump: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, csv }
  enum State: String, ExpressibleByArgument, CaseIterable { case live, stale }

  static let configuration = CommandConfiguration(
    abstract: "Print the nodes of a store, one per line.",
    discussion: """
      Prints the nodes in the order of their ids. It reads them in short snapshots, so a server \
      may write meanwhile, and the command's memory does not grow with the store.

        handlestore dump /var/lib/nodes --state live | head
        handlestore dump /var/lib/nodes --format json | jq 'select(.inode == 42)'
        handlestore dump /var/lib/nodes --format csv > nodes.csv

      Columns: node; generation, which is sent with each node id; filesystem, the store's number \
      for it (see 'stat'); inode and inode_generation, as in the handle, if its layout is known; \
      handle_type by name and by number; handle in hexadecimal; length in bytes; storage, inline \
      or spilled; state; type of the file; parent, the node of the directory in which the file was \
      found, if known; since, the time when the node entered its state; watch_mask, the events \
      that its watchers watch for, all together, as inotify bits; former_handles, the handles that \
      the file had before it was copied up to another layer.

      Exit codes: 0 success; 1 there is no node with the given id, or the other options exclude \
      it; 3 the store cannot be used, or is damaged: then nothing is printed.
      """)

  @OptionGroup var argument: StoreArgument
  @Option(help: "Print aligned columns, JSON (an object per line) or CSV (with a header).")
  var format = Format.text
  @Option(help: "Print only this node.")
  var node: NodeID?
  @Option(help: "Print only nodes on this filesystem (the store's number for it).")
  var filesystem: FilesystemID?
  @Option(help: "Print only nodes in this state.")
  var state: State?

  func run() throws {
    if let node {
      try argument.reading { try print($0) { try one(node, of: $0, as: $1, to: &$2) } }
    } else {
      try argument.readingAll { try print($0) { try all(of: $0, as: $1, to: &$2) } }
    }
  }

  private func print(
    _ store: Store, _ body: (Store, NodeRows, inout Output) throws -> Void
  ) throws {
    var output = Output()
    let rows = NodeRows(format)
    try rows.begin(&output)
    try body(store, rows, &output)
    try output.flush()
  }

  private func one(
    _ id: NodeID, of store: Store, as rows: NodeRows, to output: inout Output
  ) throws {
    guard let node = try store.node(id) else { throw StoreError.unknownNode(id) }
    guard filesystem ?? node.filesystem == node.filesystem,
      nodeState ?? node.state == node.state
    else {
      throw FindingExit(
        message: "node \(id) is \(node.state) and on filesystem \(node.filesystem), "
          + "so the options exclude it")
    }
    try rows.append([node], of: store, to: &output)
  }

  private func all(of store: Store, as rows: NodeRows, to output: inout Output) throws {
    var next: NodeID? = .root
    while let start = next {
      let page = try store.nodes(from: start, on: filesystem, in: nodeState)
      try rows.append(page.nodes, of: store, to: &output)
      next = page.next
    }
  }

  private var nodeState: NodeState? {
    switch state {
    case .live: .live
    case .stale: .stale
    case nil: nil
    }
  }
}
