internal import HandleStore
internal import SystemPackage

/// How a new server has the kernel hand out requests that queued while there was none.
extension Server {
  func knownNodes(most: Int) -> [UInt64] { lookups.nodes.prefix(most).map(\.rawValue) }

  func draw(processors: Int, count: Int) {
    let arguments = [
      "draw", "--parent", "\(Processes.id)", "--device", device, "--processors", "\(processors)",
      "--count", "\(count)",
    ]
    do throws(Errno) {
      let id = try Processes.spawn(Processes.program, arguments: arguments, descriptors: [])
      Thread.start { _ = Processes.reap(id) }
    } catch {
      log.error(
        "a process that wakes waiting requests could not be started: they wait for the next request",
        metadata: ["error": "\(error)"])
    }
  }
}
