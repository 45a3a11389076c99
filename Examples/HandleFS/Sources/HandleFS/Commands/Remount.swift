internal import ArgumentParser
internal import FoundationEssentials

/// Changes a mount, for `mount -o remount`: the flags of `mount(2)`, and nothing that the processes
/// of the mount were started with.
struct Remount {
  private let asked: MountOptions

  init(_ options: MountOptions) { asked = options }

  func run(onlyCheck: Bool) throws {
    let place = try Processes.place(of: asked.mountpoint)
    guard try MountTable.handleFS(on: place) != nil else { throw CommandError.notMounted(place) }
    let present = try presentOptions(of: place)
    let words = asked.words.filter { $0.text != "remount" }
    for word in words { try require(word, changesNothing: present) }
    guard !onlyCheck else { return }
    do {
      try Processes.remount(
        place, of: present.source, flags: MountFlags(readOnly: false, words.map(\.name)))
    } catch {
      throw CommandError("remounting \(place): \(error)")
    }
  }

  private func presentOptions(of place: String) throws -> MountOptions {
    let answer = try Conversation.ask("options", .supervisor, of: place)
    guard let arguments = try? JSONDecoder().decode([String].self, from: Data(answer.utf8)) else {
      throw CommandError("the supervisor of \(place) does not say its options: \(answer)")
    }
    return try MountOptions.parse(arguments)
  }

  /// Throws if an option asks for another value than the mount has. `ro` is for the kernel, and so
  /// is `rw`, unless the server itself refuses changes.
  private func require(_ word: OptionWord, changesNothing present: MountOptions) throws {
    var changed = present
    guard try changed.take(word) else { throw MountOptions.unknown(word) }
    if word.name == "ro" { changed.readOnly = present.readOnly }
    if !changed.isShared { changed.store = try Processes.absolute(changed.store) }
    changed.database.cache = try changed.database.cache.map(Processes.absolute)
    guard changed.arguments == present.arguments else {
      throw CommandError(
        "remount cannot change \(word.name): unmount \(present.mountpoint) and mount it again",
        .finding)
    }
  }
}
