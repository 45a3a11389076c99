internal import HandleLocks
internal import SystemPackage

/// Looks up the files of the next entries of a listing while a client is busy with those that it was told
/// of, so that the kernel has them in memory when the client asks for more.
final class ReadingAhead: Sendable {
  /// What the thread is to do next; whoever lists more replaces it.
  private let next = Locked<Work?>(nil)
  private let bell: Bell

  private struct Work {
    let directory: BackingFile
    let names: [FilePath]
  }

  init() throws { bell = try Bell() }

  /// Has the files of some names in a directory looked up soon, in place of what the thread was told last.
  func look(for names: [FilePath], in directory: BackingFile) {
    guard !names.isEmpty else { return }
    next.withLock { $0 = Work(directory: directory, names: names) }
    bell.ring()
  }

  /// Looks up files; never returns.
  func run() {
    while true {
      bell.wait(milliseconds: -1)
      while let work = next.withLock({ $0.take() }) {
        for name in work.names {
          guard next.withLock({ $0 == nil }) else { break }
          // The client will hear of errors when it asks for the file.
          _ = try? work.directory.path(of: name)
        }
      }
    }
  }
}
