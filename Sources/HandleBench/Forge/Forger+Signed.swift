import HandleStore
import SystemPackage

/// Valid signatures over wrong content. No client can make such a token, but a bug in a server
/// could. So the checks after the signature must hold by themselves.
extension Forger {
  private static let attacks: [Attack] = [
    .generationZero, .generation, .otherInode, .otherType, .otherLength, .otherParent,
    .otherFileType,
  ]

  func forgeSigned(_ target: Target) throws {
    for attack in Self.attacks {
      for _ in 0..<8 { try forgeSigned(attack, target) }
    }
    for _ in 0..<8 { try sendOutside(target) }
  }

  private func forgeSigned(_ attack: Attack, _ target: Target) throws {
    let file = dice.pick(dice.next() % 4 == 0 ? outside : inside)
    let other = dice.pick(dice.next() % 2 == 0 ? outside : inside)
    guard let made = MadeUp(attack, of: file, with: other, &dice) else { return }
    let status = FileStatus(inode: file.status.inode, mode: made.mode)
    try forge(attack, made.handle, status, target, made.how)
  }

  /// Sends tokens of a file outside, registered with a parent directory inside.
  private func sendOutside(_ target: Target) throws {
    // Leave out the file that also has a name inside.
    let file = dice.pick(outside.filter { $0.path.lastComponent != "link" })
    let directory = dice.pick(inside.filter { $0.status.type == .directory })
    let parent = try target.forger.store.register(
      FoundFile(handle: directory.handle, status: directory.status), on: target.forger.filesystem
    ).node
    let connected = HandleLayout(file.handle).connected(
      file.handle.type, file.handle.bytes, directory.handle)
    let handle = connected.flatMap { KernelFileHandle(type: $0.0, bytes: $0.1) }
    for handle in [file.handle, handle].compactMap(\.self) {
      try forge(
        .outside, handle, file.status, target,
        "\(handle) of \(file.path), said to be in \(directory.path)", parent: parent)
    }
  }

  /// Registers a handle and sends the tokens for its node: the token by value to the server and to
  /// the store that made it, the token by reference to that store only.
  func forge(
    _ attack: Attack, _ handle: KernelFileHandle, _ status: FileStatus, _ target: Target,
    _ how: String, parent: NodeID? = nil
  ) throws {
    let forger = target.forger
    let node: NodeID
    do {
      node = try forger.store.register(
        FoundFile(handle: handle, status: status, parent: parent), on: forger.filesystem
      ).node
    } catch StoreError.staleHandle {
      // The store knows the file that has the inode now, and the kernel said that the candidate is
      // gone.
      tally.send(attack)
      tally.refuse(attack, .stale)
      return
    }
    let expected = Expected.atMost(Truth(handle, status.type))
    let reference = try forger.export.token(for: node, form: .reference)
    // Not every handle fits in a token.
    let value = try? forger.export.token(for: node)
    send(reference, to: forger, attack, expected, "by reference: \(how)")
    for endpoint in [target.server, forger] {
      if let value { send(value, to: endpoint, attack, expected, "by value: \(how)") }
    }
  }
}
