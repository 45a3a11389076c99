/// What holds nodes in this process, for an index whose nodes other processes may want to drop.
package protocol NodeHolds: AnyObject, Sendable {
  /// Whether something holds a node.
  func isHeld(_ id: NodeID) -> Bool
  /// Whether the process has taken up all pins that its clients had before it began. It has when it first
  /// evicts.
  var areComplete: Bool { get }
  /// Whether a client has a pin on some node.
  var includePins: Bool { get }

  /// From now on, each thread that begins to hold a node calls ``NodeIndex/keep(_:)`` afterwards. Only after
  /// this call may the caller check which nodes are held.
  func beginEvictionElsewhere()
  /// Ends what ``beginEvictionElsewhere()`` began.
  func endEvictionElsewhere()
}
