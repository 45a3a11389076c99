internal import SystemPackage

/// A line that the server sends to `handlefs events`, which prints it: a JSON object.
enum EventLine {
  /// The first line: how many nodes are watched.
  case watching(Int)
  /// Events were lost.
  case overflow
  /// A watched node has changed, or the entry of that name in it.
  case change(node: UInt64, name: FilePath, events: [String])

  /// The event after which a node is no longer watched.
  static let deletion = "deleteSelf"

  var text: String {
    let members: [(String, JSON)] =
      switch self {
      case .watching(let count): [("watching", .number(UInt64(count)))]
      case .overflow: [("overflow", .flag(true))]
      case .change(let node, let name, let events):
        [
          ("node", .number(node)), ("name", .name(name)),
          ("events", .array(events.map { .string($0) })),
        ]
      }
    return JSON.object(members).text
  }

  /// Returns the node whose deletion a line reports, or `nil` if the line reports something else.
  static func deletedNode(in line: String) -> UInt64? {
    // Event names contain no bracket, so the last one opens the list of events.
    guard let events = line.lastIndex(of: "["),
      line[events...].contains(JSON.string(deletion).text)
    else { return nil }
    return UInt64(line.dropFirst(#"{"node": "#.count).prefix { $0.isNumber })
  }
}
