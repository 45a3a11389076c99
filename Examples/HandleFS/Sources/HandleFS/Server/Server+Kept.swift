internal import HandleStore
internal import SystemPackage

/// Keeps the number of kept files below its limit. A file is kept as long as the kernel knows its
/// node, so the kernel has to forget those that it has not used for longest.
extension Server {
  /// Registers a file and keeps it. When little room is left, waits a moment, so that the kernel's
  /// FORGETs overtake its lookups.
  func keep(
    _ file: BackingFile, in parent: NodeID?, on filesystem: FilesystemID, pinnedBy pins: Pins?,
    by kept: KeptFiles
  ) throws -> Registration {
    let reserve = kept.limit / 8
    let used = kept.count - (kept.limit - reserve)
    if used > 0 {
      roomBell.ring()
      Processes.sleep(milliseconds: UInt32(clamping: 1 + 20 * used / max(reserve, 1)))
    }
    return try kept.register(file.descriptor, in: parent, on: filesystem, pinnedBy: pins)
  }

  /// Has the kernel forget nodes whenever three quarters of the limit are used, and lets go of those
  /// that it has forgotten although the counts say otherwise, or that have lost their last name
  /// behind the mount's back; never returns.
  func makeRoom(in kept: KeptFiles) {
    var unknown = UnknownNodes()
    var asked: Set<NodeID> = []
    var pause = 50
    while true {
      roomBell.wait(milliseconds: asked.isEmpty ? 300 : pause)
      let before = asked.count
      asked = asked.filter { lookups.count(of: $0) > 0 }
      // A kernel that cannot be asked is not asked all the time.
      pause = asked.count < before ? 50 : min(2 * pause, 1600)
      let isFull = kept.count > kept.limit - kept.limit / 4
      if isFull && asked.count < kept.limit / 4 {
        asked.formUnion(kept.leastRecentlyUsed(min(kept.limit / 8 + 1, Self.pruned)))
      } else if !isFull {
        asked = []
      }
      let known = asked.filter { notifier.isKnown(wire($0).number) }
      notifier.prune(known.filter { !openFiles.isOpen($0) }.map { wire($0).number })
      for node in unknown.settled(among: asked.subtracting(known), in: openFiles) {
        takeAsForgotten(node)
      }
      for node in kept.nameless(amongNext: Self.checked) { housekeeping.losesName(node) }
    }
  }

  /// How many nodes the kernel is asked to forget in one message.
  private static let pruned = 512
  /// How many kept files are checked each time for whether they have a name.
  private static let checked = 64
}
