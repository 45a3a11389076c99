import HandleStore

/// The positions of the inode number and the generation in a handle (Docs/Format.md). In an unknown
/// layout, takes the last four bytes for the generation, as in most layouts.
struct HandleLayout {
  private let inode, generation: Range<Int>

  init(_ handle: KernelFileHandle) {
    let length = handle.length
    switch (handle.type, length) {
    case (.inode32, 12): (inode, generation) = (4..<12, 0..<4)
    case (.btrfs, 20): (inode, generation) = (0..<8, 16..<20)
    case (.overlay, 32...): (inode, generation) = (24..<28, 28..<32)
    default:
      let start = max(0, length - 4)
      (inode, generation) = (0..<min(8, start), start..<length)
    }
  }

  func setGeneration(_ value: UInt32, in bytes: inout [UInt8]) {
    put(UInt64(value), at: generation, in: &bytes)
  }

  /// Puts another generation into a handle: near the real one, or any.
  func changeGeneration(in bytes: inout [UInt8], _ dice: inout Dice) {
    let real = get(generation, bytes)
    let near = dice.next() % 2 == 0 ? dice.number(1...16) : dice.number(1...UInt64(UInt32.max))
    put(dice.next() % 2 == 0 ? real &+ near : real &- near, at: generation, in: &bytes)
  }

  /// Puts another inode number into a handle: that of another file, a near one, a small one, or
  /// any. Sometimes also sets the generation to 0.
  func changeInode(in bytes: inout [UInt8], _ other: KernelFileHandle, _ dice: inout Dice) {
    let real = get(inode, bytes)
    let values = [
      get(inode, other.bytes), real &+ dice.number(1...16), real &- dice.number(1...16),
      dice.number(0...64), dice.next(),
    ]
    put(dice.pick(values), at: inode, in: &bytes)
    if dice.next() % 2 == 0 { setGeneration(0, in: &bytes) }
  }

  /// Returns a handle that names another file as its parent directory, or `nil` if the two handles
  /// cannot be combined.
  func connected(
    _ type: HandleType, _ bytes: [UInt8], _ parent: KernelFileHandle
  ) -> (HandleType, [UInt8])? {
    let above = parent.bytes
    guard parent.type == type, above.count == bytes.count else { return nil }
    switch (type, bytes.count) {
    case (.inode32, 8): return (.inode32Parent, bytes + above)
    case (.inode64, 12): return (.inode64Parent, bytes + above)
    case (.btrfs, 20): return (.btrfsParent, bytes + above[..<8] + above[16...])
    default: return nil
    }
  }

  private func get(_ range: Range<Int>, _ bytes: [UInt8]) -> UInt64 {
    guard range.upperBound <= bytes.count else { return 0 }
    return bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func put(_ value: UInt64, at range: Range<Int>, in bytes: inout [UInt8]) {
    for (i, at) in range.enumerated() {
      bytes[at] = UInt8(truncatingIfNeeded: value >> UInt64(i * 8))
    }
  }
}
