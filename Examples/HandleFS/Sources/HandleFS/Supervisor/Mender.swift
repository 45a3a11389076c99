internal import SystemPackage

/// A process that looks at the store and repairs it, while no server has it open. Not the supervisor
/// itself: what a damaged store does to a process may not be done to that.
struct Mender {
  private let id: Int32
  /// Can be read once it has ended; `nil` once that is known.
  private(set) var process: FileDescriptor?

  init(_ store: String, _ inBackground: Bool) throws {
    let flags = inBackground ? ["--background"] : []
    id = try Processes.spawn(Processes.program, ["mend"] + flags + [store], [])
    process = try Processes.descriptor(of: id)
  }

  mutating func reap() {
    try? process?.close()
    process = nil
    Processes.reap(id)
  }
}
