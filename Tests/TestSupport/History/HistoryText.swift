// How histories are written: words and numbers. A kill may cut a write where a page ends, so a line has a
// mark at its end, and one without it does not count.

extension HistoryCall {
  var text: String {
    switch self {
    case .register(let file): "register \(file.key) \(file.generation)"
    case .retire(let node): "retire \(node)"
    case .remove(let file): "remove \(file.key) \(file.generation)"
    case .look(let node): "look \(node)"
    case .find(let file): "find \(file.key) \(file.generation)"
    case .watch(let node): "watch \(node)"
    case .deletions: "deletions"
    }
  }

  init?(_ word: Substring, _ numbers: [UInt64]) {
    switch (word, numbers.count) {
    case ("register", 2): self = .register(HistoryFile(numbers))
    case ("retire", 1): self = .retire(numbers[0])
    case ("remove", 2): self = .remove(HistoryFile(numbers))
    case ("look", 1): self = .look(numbers[0])
    case ("find", 2): self = .find(HistoryFile(numbers))
    case ("watch", 1): self = .watch(numbers[0])
    case ("deletions", 0): self = .deletions
    default: return nil
    }
  }
}

extension HistoryResult {
  var text: String {
    switch self {
    case .done: "done"
    case .created(let node): "created \(node)"
    case .existing(let node): "existing \(node)"
    case .replaced(let node, let old): "replaced \(node) \(old)"
    case .stale: "stale"
    case .unknown: "unknown"
    case .file(let file): "file \(file.key) \(file.generation)"
    case .node(let node): "node \(node)"
    case .deleted(let nodes, let overflowed):
      (["deleted", overflowed ? "1" : "0"] + nodes.map { "\($0)" }).joined(separator: " ")
    case .failed: "failed"
    }
  }

  init?(_ word: Substring, _ numbers: [UInt64]) {
    switch (word, numbers.count) {
    case ("done", 0): self = .done
    case ("created", 1): self = .created(numbers[0])
    case ("existing", 1): self = .existing(numbers[0])
    case ("replaced", 2): self = .replaced(numbers[0], old: numbers[1])
    case ("stale", 0): self = .stale
    case ("unknown", 0): self = .unknown
    case ("file", 2): self = .file(HistoryFile(numbers))
    case ("node", 1): self = .node(numbers[0])
    case ("deleted", 1...): self = .deleted(Array(numbers.dropFirst()), overflowed: numbers[0] == 1)
    case ("failed", 0): self = .failed
    default: return nil
    }
  }
}

extension HistoryFile {
  /// A key and a generation.
  fileprivate init(_ numbers: [UInt64]) {
    self.init(numbers[0], generation: UInt32(truncatingIfNeeded: numbers[1]))
  }
}
