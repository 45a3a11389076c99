import HandleStore

/// A file as histories name it: an inode number, and the generation that tells its successive files apart.
public struct HistoryFile: Hashable, Sendable, CustomStringConvertible {
  /// The inode number.
  public let key: UInt64
  /// The generation.
  public let generation: UInt32

  /// A file of a number.
  public init(_ key: UInt64, generation: UInt32 = 1) {
    (self.key, self.generation) = (key, generation)
  }

  /// Stands for all files that are not made-up handles.
  public static let another = HistoryFile(.max)

  /// The file of a handle that ``Synthetic/handle(_:generation:)`` made.
  public init?(_ handle: KernelFileHandle) {
    guard handle.bytes.count == 12 else { return nil }
    let numbers = Synthetic.name(handle).split(separator: " ").compactMap { UInt64($0) }
    guard numbers.count == 2 else { return nil }
    self.init(numbers[0], generation: UInt32(truncatingIfNeeded: numbers[1]))
  }

  /// The number and the generation.
  public var description: String { "\(key).\(generation)" }
}

/// What a process asked of a store, or did to a file.
public enum HistoryCall: Hashable, Sendable {
  case register(HistoryFile)
  case retire(UInt64)
  /// Removes the name of a file.
  case remove(HistoryFile)
  /// Asks which file a node is.
  case look(UInt64)
  /// Asks for the node of a file.
  case find(HistoryFile)
  case watch(UInt64)
  case deletions
}

/// What it was told.
public enum HistoryResult: Hashable, Sendable {
  case done
  /// The node is new.
  case created(UInt64)
  case existing(UInt64)
  /// The node is new, and the one of the file before it is stale.
  case replaced(UInt64, old: UInt64)
  case stale
  case unknown
  /// The node is live, and this file.
  case file(HistoryFile)
  case node(UInt64)
  case deleted([UInt64], overflowed: Bool)
  /// An error: nobody knows whether it took effect.
  case failed
}

extension HistoryResult {
  /// The node of the file that was registered.
  public var registered: UInt64? {
    switch self {
    case .created(let node), .existing(let node), .replaced(let node, _): node
    default: nil
    }
  }

  /// Whether a registration was told that it made the node.
  public var isNew: Bool {
    switch self {
    case .created, .replaced: true
    default: false
    }
  }

  /// What a registration was told.
  public init(_ registration: Registration) {
    let node = registration.node.rawValue
    switch registration.outcome {
    case .created: self = .created(node)
    case .existing: self = .existing(node)
    case .replaced(let old): self = .replaced(node, old: old.rawValue)
    case .stale: self = .stale
    }
  }

  /// What was told of deletions.
  public init(_ deletions: Deletions) {
    self = .deleted(deletions.nodes.map(\.rawValue), overflowed: deletions.overflowed)
  }
}
