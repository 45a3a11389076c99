internal import SystemPackage

/// How an export makes sure that a file is in its subtree (Docs/Exports.md).
public enum Containment: String, Sendable, CaseIterable, Hashable {
  /// The export is all of its filesystem: whatever can be opened on it is inside.
  case wholeFilesystem = "whole-filesystem"
  /// What was found inside is remembered, and forgotten when the filesystem tells of a rename
  /// (`fanotify(7)`). The cheapest, and not quite exact: a rename that has not returned when the call
  /// begins may not be known, though its effect can be seen. Needs `CAP_SYS_ADMIN`, Linux 5.17 and a local filesystem.
  case cached
  /// The subtree gets a mount of its own that nobody else sees, and the kernel says where below its root
  /// an opened file is. Needs `CAP_SYS_ADMIN`.
  case kernel
  /// The directories above the file are gone up, and its name is looked up again. Needs nothing more than
  /// opening by handles does.
  case walk
}
