/// How an export makes sure that a file is in its subtree (Docs/Exports.md).
public enum Containment: String, Sendable, CaseIterable, Hashable {
  /// The export is all of its filesystem: whatever can be opened on it is inside.
  case wholeFilesystem = "whole-filesystem"
  /// The kernel is asked for a name below the root of a private mount of the subtree, and for where
  /// the opened file is. Needs `CAP_SYS_ADMIN` and Linux 6.13.
  case kernel
  /// The directories above the file are gone up, and its name is looked up again. Works everywhere.
  case walk
  /// What was found inside is remembered, and forgotten when the filesystem tells of a rename
  /// (`fanotify(7)`). Needs `CAP_SYS_ADMIN`, Linux 5.17 and a local filesystem.
  case cached
}
