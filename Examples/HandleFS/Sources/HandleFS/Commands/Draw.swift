internal import ArgumentParser
internal import HandleStore
internal import SystemPackage

/// Sends a mount requests that change nothing. A server starts this if requests may have queued in the
/// kernel (``Server/draw(processors:count:)``); it must not do it itself, because it has to answer them.
struct Draw: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Send requests to a mount, from each processor.", shouldDisplay: false)

  /// The server. Without it this process is of no use, and would keep the mount busy.
  @Option var parent: Int32
  @Option var device: String
  @Option var processors: UInt32
  @Option var count: UInt32

  func run() throws {
    guard Processes.endWith(parent: parent) else { return }
    // Nobody is to find the mount busy because of this process.
    try? Processes.leaveMounts()
    // It may have been mounted elsewhere meanwhile, or be hidden by another mount.
    for place in try MountTable.mounts() where place.device == device {
      let mount = try BackingFile(opening: place.point)
      guard try mount.device == device else { continue }
      return mount.sendRequests(processors: processors, count: count)
    }
  }
}
