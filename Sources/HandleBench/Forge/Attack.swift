/// A way to make a token that the gate must refuse, or may accept for one file only.
enum Attack: String, CaseIterable {
  // Bytes without a valid signature.
  case randomBytes = "random bytes"
  case randomBehindHeader = "random behind a true header"
  case flippedBit = "a flipped bit"
  case cut = "cut"
  case extended = "extended"
  case spliced = "fields of two tokens"
  // Genuine tokens of another export, store or key.
  case otherExport = "of or for another export"
  case otherKey = "of a store with another key"
  case sharedKey = "of a store that shares the keys"
  case rotatedOut = "under a key rotated out"
  // A valid signature over a handle that was made up.
  case generationZero = "signed: generation 0"
  case generation = "signed: another generation"
  case otherInode = "signed: another inode"
  case otherType = "signed: another handle type"
  case otherLength = "signed: another length"
  case otherParent = "signed: another directory"
  case otherFileType = "signed: another file type"
  case outside = "signed: a file outside"
  // Genuine tokens of files that were moved, deleted or replaced.
  case movedOut = "moved out"
  case directoryMovedOut = "directory moved out"
  case unlinkedInside = "only a name outside left"
  case deleted = "deleted"
  case heldOpen = "deleted, held open"
  case renamedOver = "renamed over"
  case reused = "inode number reused"
  // Tokens that must pass.
  case good = "good tokens"
}

/// The answer that the gate must give.
enum Expected {
  /// A refusal.
  case refusal
  /// This file, or a refusal.
  case atMost(Truth)
  /// This file.
  case exactly(Truth)

  var truth: Truth? {
    switch self {
    case .refusal: nil
    case .atMost(let truth), .exactly(let truth): truth
    }
  }
}
