import Formatting
import HandleStore

/// Writes nodes as lines in one of the formats of `dump`.
struct NodeRows {
  private let format: Dump.Format
  /// The columns, each with the bytes that precede its value in a line.
  private let columns: [(column: NodeColumn, before: [UInt8])]

  /// The columns of the text format, with their titles and widths.
  private static let textColumns: [(NodeColumn, String, Int)] = [
    (.node, "NODE", 10), (.state, "STATE", 5), (.type, "TYPE", 9), (.filesystem, "FS", 2),
    (.inode, "INODE", 10), (.inodeGeneration, "GENERATION", 10), (.parent, "PARENT", 10),
    (.since, "SINCE", 20), (.handleType, "HANDLE TYPE", 16), (.handle, "HANDLE", 0),
  ]

  init(_ format: Dump.Format) {
    self.format = format
    columns = NodeColumn.allCases.enumerated().map { i, column in
      switch format {
      case .json: (column, Array("\(i == 0 ? "{" : ",")\"\(column.rawValue)\":".utf8))
      case .csv, .text: (column, i == 0 ? [] : Array(",".utf8))
      }
    }
  }

  /// Writes the header, if the format has one.
  func begin(_ output: inout Output) throws {
    switch format {
    case .json: break
    case .csv: try output.line(columns.map(\.column.rawValue).joined(separator: ","))
    case .text:
      let titles = Self.textColumns.map { Text.left($1, $2) }
      try output.line(titles.joined(separator: "  "))
    }
  }

  /// Writes some nodes, in the order of their ids.
  func append(_ nodes: [Node], of store: Store, to output: inout Output) throws {
    for (node, facts) in zip(nodes, try NodeFacts.all(of: nodes, in: store)) {
      try output.line { bytes in
        switch format {
        case .json: json(node, facts, of: store, to: &bytes)
        case .csv: csv(node, facts, of: store, to: &bytes)
        case .text: text(node, facts, of: store, to: &bytes)
        }
      }
    }
  }

  private func json(
    _ node: Node, _ facts: NodeFacts, of store: Store, to bytes: inout [UInt8]
  ) {
    for (column, before) in columns {
      bytes.append(contentsOf: before)
      if column.isText { bytes.append(UInt8(ascii: "\"")) }
      bytes.append(column.value(of: node, facts, in: store), unknown: "null")
      if column.isText { bytes.append(UInt8(ascii: "\"")) }
    }
    bytes.append(UInt8(ascii: "}"))
  }

  private func csv(
    _ node: Node, _ facts: NodeFacts, of store: Store, to bytes: inout [UInt8]
  ) {
    for (column, before) in columns {
      bytes.append(contentsOf: before)
      bytes.append(column.value(of: node, facts, in: store), unknown: "")
    }
  }

  private func text(
    _ node: Node, _ facts: NodeFacts, of store: Store, to bytes: inout [UInt8]
  ) {
    for (column, _, width) in Self.textColumns {
      let start = bytes.count
      bytes.append(column.value(of: node, facts, in: store), unknown: "-")
      guard width > 0 else { continue }
      for _ in 0..<max(2, start + width + 2 - bytes.count) { bytes.append(UInt8(ascii: " ")) }
    }
  }
}
