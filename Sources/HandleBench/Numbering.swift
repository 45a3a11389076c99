import ArgumentParser
import CYardstick

/// How the files that do not exist are numbered (`maps.h`).
enum Numbering: String, CaseIterable, ExpressibleByArgument {
  /// Each file's inode number is far from its neighbours'.
  case scattered
  /// As filesystems number files: those of a directory consecutively.
  case clustered

  var number: Int32 { Int32(self == .scattered ? MAPS_SCATTERED : MAPS_CLUSTERED) }

  /// Returns the inode number of the n-th file.
  func inode(_ n: UInt64) -> UInt64 { maps_inode(number, n) }
}
