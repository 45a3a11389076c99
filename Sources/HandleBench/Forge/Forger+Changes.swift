import HandleStore
import SystemPackage

/// Genuine tokens of files that are moved, deleted or replaced.
extension Forger {
  func changeFiles(_ target: Target) throws {
    guard let work = try target.server.export.lookup("work", in: .node(.root))?.node else {
      throw BenchError(description: "\(tree.work) does not exist")
    }
    try moveOut(target, work)
    try moveDirectoryOut(target, work)
    try leaveOutside(target, work)
    try deleteHeld(target, work)
    try renameOver(target, work)
    // Make and delete files, so that the filesystem reuses inode numbers.
    for _ in 0..<5 { try delete(make(target, work)) }
  }

  private func moveOut(_ target: Target, _ work: NodeID) throws {
    let subject = try make(target, work)
    let there = tree.outside.pushing(tree.newName())
    pass(subject, "made")
    try tree.move(subject.path, to: there)
    try forgetNames()
    refuse(subject, .movedOut)
    try tree.move(there, to: subject.path)
    pass(subject, "moved out and in")
    try delete(subject)
  }

  private func moveDirectoryOut(_ target: Target, _ work: NodeID) throws {
    let name = tree.newName()
    let (here, there) = (tree.work.pushing(name), tree.outside.pushing(name))
    let file = here.pushing(tree.newName())
    try tree.makeDirectory(here)
    try tree.makeFile(file)
    guard let directory = try target.server.export.lookup(name, in: .node(work))?.node else {
      throw BenchError(description: "\(here) does not exist")
    }
    let subjects = try [
      subject(file, for: target, in: directory), subject(here, for: target, in: work),
    ]
    for subject in subjects { pass(subject, "made") }
    try tree.move(here, to: there)
    try forgetNames()
    for subject in subjects { refuse(subject, .directoryMovedOut) }
    try tree.move(there, to: here)
    for subject in subjects { pass(subject, "moved out and in") }
    for subject in subjects { try delete(subject) }
  }

  /// Gives a file a second name outside, removes the name inside, and puts it back.
  private func leaveOutside(_ target: Target, _ work: NodeID) throws {
    let subject = try make(target, work)
    let there = tree.outside.pushing(tree.newName())
    try tree.link(subject.path, to: there)
    pass(subject, "with a second name outside")
    try tree.unlink(subject.path)
    try forgetNames()
    refuse(subject, .unlinkedInside)
    try tree.link(there, to: subject.path)
    try forgetNames()
    pass(subject, "with a name inside again")
    try tree.unlink(there)
    try delete(subject)
  }

  private func deleteHeld(_ target: Target, _ work: NodeID) throws {
    let subject = try make(target, work)
    let held = try target.server.export.open(.token(subject.tokens[0]), as: .readOnly)
    try held.closeAfter {
      try tree.unlink(subject.path)
      refuse(subject, .heldOpen)
    }
    refuse(subject, .deleted)
    dead[subject.inode] = subject
  }

  private func renameOver(_ target: Target, _ work: NodeID) throws {
    let subject = try make(target, work)
    try tree.renameOver(subject.path)
    refuse(subject, .renamedOver)
    dead[subject.inode] = subject
    try tree.unlink(subject.path)
  }
}
