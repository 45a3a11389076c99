import Formatting
import HandleStore
import SystemPackage

/// A column of the output of `dump`. The raw value is its name in JSON and CSV.
enum NodeColumn: String, CaseIterable {
  case node, generation, filesystem, inode
  case inodeGeneration = "inode_generation"
  case handleType = "handle_type"
  case handleTypeNumber = "handle_type_number"
  case handle, length, storage, state, type, parent, since
  case watchMask = "watch_mask"
  case formerHandles = "former_handles"

  enum Value {
    case number(UInt64)
    case word(String)
    case bytes(KernelFileHandle)
    case time(UTCTime)
    case unknown
  }

  /// Whether the value has quotes in JSON.
  var isText: Bool {
    switch self {
    case .handleType, .handle, .storage, .state, .type, .since, .formerHandles: true
    default: false
    }
  }

  /// Returns the value for a node.
  func value(of node: Node, _ facts: NodeFacts, in store: Store) -> Value {
    switch self {
    case .node: .number(node.id.rawValue)
    case .generation: .number(UInt64(store.incarnation))
    case .filesystem: .number(UInt64(node.filesystem.rawValue))
    case .inode: facts.inode.map { .number($0.number) } ?? .unknown
    case .inodeGeneration: facts.inode.map { .number(UInt64($0.generation)) } ?? .unknown
    case .handleType: .word(node.handle.type.description)
    case .handleTypeNumber: .number(UInt64(UInt32(bitPattern: node.handle.type.rawValue)))
    case .handle: .bytes(node.handle)
    case .length: .number(UInt64(node.handle.length))
    case .storage: .word(node.handle.isSpilled ? "spilled" : "inline")
    case .state: .word(node.state.name)
    case .type: .word(node.type.name)
    case .parent: node.parent.map { .number($0.rawValue) } ?? .unknown
    case .since: .time(UTCTime(seconds: node.since))
    case .watchMask: facts.watchMask.isEmpty ? .unknown : .number(UInt64(facts.watchMask.rawValue))
    case .formerHandles: .word(facts.formerHandles)
    }
  }
}

/// What the store knows of a node besides its record.
struct NodeFacts {
  let inode: FileKey?
  let watchMask: WatchMask
  /// Each as `FILESYSTEM:TYPE:BYTES`, with a space between them.
  let formerHandles: String

  /// Looks up what is known of some nodes, in the order of their ids. It asks for all at once: in a
  /// database, each question is a round trip.
  static func all(of nodes: [Node], in store: Store) throws -> [NodeFacts] {
    guard let first = nodes.first?.id, let last = nodes.last?.id else { return [] }
    let masks = try store.watchMasks(from: first, to: last)
    let aliases = try store.aliases(from: first, to: last)
    return nodes.map { node in
      NodeFacts(
        inode: store.fileKey(of: node), watchMask: masks[node.id] ?? [],
        formerHandles: (aliases[node.id] ?? []).map { alias in
          "\(alias.filesystem):\(alias.handle.type.rawValue):\(alias.handle.hexadecimal)"
        }.joined(separator: " "))
    }
  }
}

extension [UInt8] {
  /// Appends the value as in CSV and text, without quotes.
  mutating func append(_ value: NodeColumn.Value, unknown: String) {
    switch value {
    case .number(let number): append(decimal: number)
    case .word(let word): append(word)
    case .bytes(let handle): for i in 0..<handle.length { Hexadecimal.append(handle[i], to: &self) }
    case .time(let time): time.append(to: &self)
    case .unknown: append(unknown)
    }
  }
}
