internal import SystemPackage

/// How an export checks that a file is in its subtree (Docs/Exports.md).
public enum Containment: String, Sendable, CaseIterable, Hashable {
  /// The export is a whole filesystem, so every file that can be opened there is inside.
  case wholeFilesystem = "whole-filesystem"
  /// The export remembers the files that it found inside, and forgets them when the filesystem
  /// reports a rename (`fanotify(7)`). The cheapest way, but not quite exact: a rename that has not
  /// returned when the call begins may still be unknown, although its effect can be seen. Needs
  /// `CAP_SYS_ADMIN`, Linux 5.17 and a local filesystem.
  case cached
  /// The subtree gets a private mount, and the kernel says where below the root of that mount an
  /// opened file is. Needs `CAP_SYS_ADMIN`.
  case kernel
  /// Walks up the parent directories of the file, and looks up the file's name again. Needs only
  /// what opening by handle needs.
  case walk
}
