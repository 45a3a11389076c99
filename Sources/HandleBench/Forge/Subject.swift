import HandleStore
import SystemPackage

/// A file that comes and goes, and its tokens.
struct Subject {
  let target: Target
  let path: FilePath
  let tokens: [Token]
  let truth: Truth
  let inode: UInt64
}

extension Forger {
  /// Makes a new file, and lets the server look it up in a directory.
  func make(_ target: Target, _ directory: NodeID) throws -> Subject {
    let name = tree.newName()
    let path = tree.work.pushing(name)
    try tree.makeFile(path)
    let subject = try subject(path, for: target, in: directory)
    try meetDead(subject)
    return subject
  }

  /// Returns an existing file with its tokens.
  func subject(_ path: FilePath, for target: Target, in directory: NodeID) throws -> Subject {
    let file = try tree.file(path)
    let name = FilePath(root: nil, path.components.suffix(1))
    return Subject(
      target: target, path: path, tokens: try target.server.tokens(name, in: directory),
      truth: file.truth, inode: file.status.inode)
  }

  /// Deletes a file, and remembers it until its inode number comes back.
  func delete(_ subject: Subject) throws {
    try tree.unlink(subject.path)
    refuse(subject, .deleted)
    dead[subject.inode] = subject
  }

  /// If a new file has the inode number of a deleted one, attacks with the deleted file's tokens.
  private func meetDead(_ new: Subject) throws {
    guard let old = dead.removeValue(forKey: new.inode) else { return }
    tally.reuses += 1
    refuse(old, .reused)
    try sendWithoutGeneration(old)
    pass(new, "with the inode number of another")
  }

  /// Sends the handle of a deleted file with generation 0. If it were accepted without a check, it
  /// would open the file that has the inode number now.
  private func sendWithoutGeneration(_ old: Subject) throws {
    let real = old.truth.handle
    var bytes = real.bytes
    HandleLayout(real).setGeneration(0, in: &bytes)
    guard let handle = KernelFileHandle(type: real.type, bytes: bytes) else { return }
    try forge(
      .reused, handle, FileStatus(inode: old.inode, mode: 0o100_600), old.target,
      "\(handle), generation 0, of \(old.path), whose inode number is another file's")
  }

  func pass(_ subject: Subject, _ when: String) {
    for token in subject.tokens {
      send(
        token, to: subject.target.server, .good, .exactly(subject.truth), "\(subject.path) \(when)")
    }
  }

  func refuse(_ subject: Subject, _ attack: Attack) {
    for token in subject.tokens {
      send(
        token, to: subject.target.server, attack, .refusal, "\(subject.path) \(attack.rawValue)")
    }
  }
}
