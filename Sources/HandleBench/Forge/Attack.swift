/// A way of making what the gate must refuse, or may take only for one file.
enum Attack: String, CaseIterable {
  // Bytes without a right signature.
  case randomBytes = "random bytes"
  case randomBehindHeader = "random behind a true header"
  case flippedBit = "a flipped bit"
  case cut = "cut"
  case extended = "extended"
  case spliced = "fields of two tokens"
  // Right tokens in the wrong place.
  case otherExport = "of or for another export"
  case otherKey = "of a store with another key"
  case sharedKey = "of a store that shares the keys"
  case rotatedOut = "under a key rotated out"
  // A right signature over a handle that was made up.
  case generationZero = "signed: generation 0"
  case generation = "signed: another generation"
  case otherInode = "signed: another inode"
  case otherType = "signed: another handle type"
  case otherLength = "signed: another length"
  case otherParent = "signed: another directory"
  case otherFileType = "signed: another file type"
  case outside = "signed: a file outside"
  // Right tokens of files that are not what, or where, they were.
  case movedOut = "moved out"
  case directoryMovedOut = "directory moved out"
  case unlinkedInside = "only a name outside left"
  case deleted = "deleted"
  case heldOpen = "deleted, held open"
  case renamedOver = "renamed over"
  case reused = "inode number reused"
  // What must pass.
  case good = "good tokens"
}

/// What the gate has to answer.
enum Expected {
  /// A refusal.
  case refusal
  /// This file, if any.
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
