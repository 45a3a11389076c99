internal import FoundationEssentials
internal import HandleStore
internal import SystemPackage

/// A line that the server sends to `handlefs events`, which prints it: a JSON object.
enum EventLine {
  /// The first line: how many nodes are watched.
  case watching(Int)
  /// Events were lost.
  case overflow
  /// A watched node changed. If `name` is not empty, its entry of that name changed.
  case change(node: UInt64, name: FilePath, events: [String])

  /// The event after which a node is no longer watched.
  static let deletion = "deleteSelf"

  /// Returns the node whose deletion a line reports, or `nil` if the line reports something else.
  static func deletedNode(in line: [UInt8]) -> UInt64? {
    guard let change = try? JSONDecoder().decode(Change.self, from: Data(line)),
      change.events.contains(deletion)
    else { return nil }
    return change.node
  }

  /// The line's text, without a newline.
  func text() throws -> String { try JSONLine.text(of: self) }

  private struct Change: Decodable {
    let node: UInt64
    let events: [String]
  }
}

extension EventLine: Encodable {
  private enum Member: String, CodingKey {
    case watching, overflow, node, name, events
    case nameBytes = "name_bytes"
  }

  /// Encodes the line. A name that is not UTF-8 is `null`, and its bytes follow in hexadecimal.
  func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: Member.self)
    switch self {
    case .watching(let count): try members.encode(count, forKey: .watching)
    case .overflow: try members.encode(true, forKey: .overflow)
    case .change(let node, let name, let events):
      try members.encode(node, forKey: .node)
      let text = String(validating: name)
      try members.encode(text, forKey: .name)
      if text == nil { try members.encode(JSONLine.hexadecimal(name.bytes), forKey: .nameBytes) }
      try members.encode(events, forKey: .events)
    }
  }
}
