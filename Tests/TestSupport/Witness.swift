import HandleStore
import SystemPackage

/// Holds a store to what it acknowledged, as logs say.
public struct Witness: Sendable {
  private struct Key: Sendable {
    var generation: UInt32
    var node: UInt64
    /// `nil` if a change was begun and not acknowledged.
    var isLive: Bool?
  }

  private var keys: [UInt64: Key] = [:]
  private var stale: Set<UInt64> = []
  private var created: Set<UInt64> = []
  /// Which file each id was given to: never two.
  private var files: [UInt64: String] = [:]
  /// What is wrong.
  public private(set) var findings: [String] = []
  /// How many registrations were acknowledged.
  public private(set) var registrations = 0

  /// Knows of nothing.
  public init() {}

  /// Takes up the lines of a log. What was taken up before is checked no more, but for ids that come
  /// again.
  public mutating func read(_ lines: [AcknowledgementLog.Line], keepingOlder: Bool = false) {
    if !keepingOlder { (keys, stale) = ([:], []) }
    for line in lines { read(line) }
  }

  private mutating func read(_ line: AcknowledgementLog.Line) {
    switch line {
    case .intent(let key): keys[key]?.isLive = nil
    case .created(let key):
      if !created.insert(key).inserted { findings.append("\(key) was created twice") }
    case .registered(let key, let generation, let node):
      registrations += 1
      let file = "\(key) \(generation)"
      if let other = files.updateValue(file, forKey: node), other != file {
        findings.append("node \(node) was given to \(other) and to \(file)")
      }
      if let known = keys[key], known.generation == generation, known.node != node {
        findings.append("\(file) has the nodes \(known.node) and \(node)")
      }
      keys[key] = Key(generation: generation, node: node, isLive: true)
    case .stale(let key, let node):
      stale.insert(node)
      if keys[key]?.node == node { keys[key]?.isLive = false }
    }
  }

  /// Compares a store with what was acknowledged.
  ///
  /// - Parameter losses: whether the newest changes may be lost; what is there must be right.
  public mutating func check(_ store: Store, allowing losses: Bool = false) throws {
    let filesystem = try store.attach(Synthetic.directory)
    for (key, file) in keys {
      let id = NodeID(rawValue: file.node)
      guard let node = try store.node(id) else {
        if losses { continue }
        findings.append("node \(id) of \(key) is lost")
        continue
      }
      let handle = Synthetic.handle(key, generation: file.generation)
      if node.handle != handle { findings.append("node \(id) has another handle") }
      if losses { continue }
      let found = try store.node(of: handle, on: filesystem)
      switch file.isLive {
      case true?:
        if node.state != .live { findings.append("node \(id) is not live") }
        if found?.id != id { findings.append("\(key) is not found") }
      case false?:
        if node.state != .stale { findings.append("node \(id) is not stale") }
      case nil: break
      }
    }
    for node in losses ? [] : stale where try store.node(NodeID(rawValue: node))?.state != .stale {
      findings.append("node \(node) is not stale again")
    }
  }

  /// Compares every node of a store with the file that its id was given to.
  public mutating func checkAllNodes(_ store: Store) throws {
    let filesystem = try store.attach(Synthetic.directory)
    var next: NodeID? = .root
    while let start = next {
      let page = try store.nodes(from: start, limit: 1000)
      for node in page.nodes {
        if let file = files[node.id.rawValue], file != Synthetic.name(node.handle) {
          findings.append("node \(node.id) of \(file) has the handle of another file")
        }
        guard node.state == .live else { continue }
        if try store.node(of: node.handle, on: filesystem)?.id != node.id {
          findings.append("live node \(node.id) is not found by its handle")
        }
      }
      next = page.next
    }
  }
}
