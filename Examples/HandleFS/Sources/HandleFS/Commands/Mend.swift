internal import ArgumentParser
internal import HandleStore
internal import Logging
internal import SystemPackage

/// Checks the store without LMDB, and repairs it if it is damaged. The supervisor starts this
/// before the next server if the last server may have died of the store.
struct Mend: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a store after a crash, and repair it if it is damaged.", shouldDisplay: false)

  @Option var mountpoint = ""
  @Option var logFormat = LogFormat.text
  @Flag var background = false

  func run() throws {
    let log = Log.start(
      .mender, of: mountpoint, as: logFormat, inBackground: background)
    let path: FilePath = "/proc/self/fd/3"
    let (store, locks) = (FileDescriptor(rawValue: 3), FileDescriptor(rawValue: 4))
    do {
      // If another mount has the store open, that one looks after it.
      guard try StoreSharing(store, locks).becomeHost() else { return }
      guard let damage = try Store.check(at: path, findings: 1).findings.first else { return }
      log.critical(
        "the store is damaged; repairing it and keeping the original in its directory set-aside",
        metadata: ["store": "\(Processes.link(path.string) ?? path.string)", "damage": "\(damage)"])
      let report = try Store.repair(at: path)
      log.critical(
        "the store is repaired; files whose nodes are lost are stale until they are looked up again",
        metadata: [
          "kept": .stringConvertible(report.kept), "lost": .stringConvertible(report.setAside),
          "retired": .stringConvertible(report.retired),
          "may be lost": .stringConvertible(report.mayBeLost),
          "original": "\(report.original.map(\.string) ?? "none")",
        ])
    } catch {
      log.error("checking or repairing the store failed", metadata: ["error": "\(error)"])
      throw ExitCode.failure
    }
  }
}
