import HandleStore
import SystemPackage

/// A made-up file: a handle that the kernel did not mint for the file, or a genuine handle with a
/// wrong file type.
struct MadeUp {
  let handle: KernelFileHandle
  let mode: UInt32
  let how: String

  /// - Returns: `nil` if the attack cannot be made with this file.
  init?(_ attack: Attack, of file: TreeFile, with other: TreeFile, _ dice: inout Dice) {
    let layout = HandleLayout(file.handle)
    var (type, bytes, mode) = (file.handle.type, file.handle.bytes, file.status.mode)
    switch attack {
    case .generationZero: layout.setGeneration(0, in: &bytes)
    case .generation: layout.changeGeneration(in: &bytes, &dice)
    case .otherInode: layout.changeInode(in: &bytes, other.handle, &dice)
    case .otherType: type = Self.type(&dice)
    case .otherLength: bytes = Self.length(bytes, &dice)
    case .otherParent:
      guard let connected = layout.connected(type, bytes, other.handle) else { return nil }
      (type, bytes) = connected
    case .otherFileType: mode = Self.mode(mode, &dice)
    default: break
    }
    guard let handle = KernelFileHandle(type: type, bytes: bytes) else { return nil }
    self.handle = handle
    self.mode = mode
    how =
      "\(handle) with mode 0o\(String(mode, radix: 8)), made up of \(file.path) (\(file.handle))"
  }

  /// Returns a type that the kernel knows, any type of one byte, or a known type with higher bits
  /// set.
  private static func type(_ dice: inout Dice) -> HandleType {
    let known: [HandleType] = [
      .inode32, .inode32Parent, .inode64, .inode64Parent, .btrfs, .btrfsParent, .btrfsParentRoot,
      .overlay, .overlayUnaligned,
    ]
    switch dice.number(0...3) {
    case 0: return dice.pick(known)
    case 1: return HandleType(rawValue: dice.pick(known).rawValue + 0x100 * dice.number(1...0xff))
    default: return HandleType(rawValue: dice.number(0...0xff))
    }
  }

  private static func length(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
    let length = dice.number(1...KernelFileHandle.maximumLength)
    if length <= bytes.count { return Array(bytes[..<length]) }
    let more = length - bytes.count
    return bytes + (dice.next() % 2 == 0 ? [UInt8](repeating: 0, count: more) : dice.bytes(more))
  }

  private static func mode(_ mode: UInt32, _ dice: inout Dice) -> UInt32 {
    let types = (0...15).map { UInt32($0) << 12 }.filter { $0 != mode & 0o170_000 }
    return dice.pick(types) | mode & 0o7777
  }
}
