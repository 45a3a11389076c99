import ArgumentParser
import Formatting
import HandleStore
import SystemPackage

struct Probe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show whether a store can keep a filesystem's files.",
    discussion: """
      Makes the file handle of DIR and opens it again. Prints what the handles look like, what \
      distinguishes the filesystem from others, which containments an export of DIR could use, and \
      how long its tokens would be. Needs no store and changes nothing.

      A server can keep the files of any filesystem open instead (handlefs --handles). Then file \
      handles are valid only while a file is kept, and none after an unmount; `kept nodes return` \
      tells whether a file gets its node again after it was given up.

        handlestore probe /srv/export

      Exit codes: 0 a store can keep files of this filesystem; 1 it cannot; 4 DIR cannot be \
      opened, or opening by handle is not permitted (run as root).
      """)

  @Argument(help: "A directory on the filesystem.", completion: .directory)
  var dir: FilePath
  @OptionGroup var output: JSONOption

  func run() throws {
    let directory = try openDirectory(dir)
    let (probe, containments) = try directory.closeAfter {
      (try FilesystemProbe(of: directory), FilesystemProbe.containments(of: directory))
    }
    try probe.report(containments).print(asJSON: output.json)
    guard probe.opening != .notPermitted else {
      throw StoreError.notPermitted("opening by handle")
    }
    guard probe.isUsable else {
      throw FindingExit(message: "\(Text.path(dir)): \(probe.obstacle)")
    }
  }
}

extension FilesystemProbe {
  /// Why the filesystem is not usable.
  fileprivate var obstacle: String {
    let obstacle = identityObstacle ?? .noHandles(magic)
    guard case .noHandles = obstacle else { return obstacle.description }
    return "\(obstacle), or keep its files open (handlefs --handles)"
  }

  fileprivate func report(_ containments: [Containment]) -> Report {
    var report = Report()
    report.add("usable", .flag(isUsable))
    report.add("kind", magic.description)
    report.add("type", type.isEmpty ? .unknown : .text(type))
    report.add("mount point", .path(mountPoint))
    addHandles(to: &report)
    addGenerations(to: &report)
    addIdentity(to: &report)
    report.add("kept nodes return", .flag(keptNodesReturn))
    report.add("containment", .words(containments.map(\.rawValue)))
    report.add("token length", tokenLength.map { .number(UInt64($0)) } ?? .unknown)
    report.add("nfs versions", .numbers(nfsVersions))
    return report
  }

  private func addHandles(to report: inout Report) {
    report.add("opens again", opening == .notPermitted ? .unknown : .flag(opening == .same))
    report.add("opening obstacle", opening.obstacle)
    let known = handle
    report.add("handle type", known.map { .text($0.type.description) } ?? .unknown)
    report.add(
      "handle type number",
      known.map { .number(UInt64(UInt32(bitPattern: $0.type.rawValue))) } ?? .unknown)
    report.add("handle length", known.map { .number(UInt64($0.length)) } ?? .unknown)
    report.add("connectable", .flag(connectable != nil))
    if let connectable {
      report.add("connectable handle type", connectable.type.description)
      report.add("connectable handle length", UInt64(connectable.length))
    }
    if let connectableObstacle {
      report.add("connectable obstacle", connectableObstacle.description)
    }
  }

  private func addGenerations(to report: inout Report) {
    report.add("layout known", .flag(knowsLayout))
    report.add("generations", magic.generations.words)
    report.add(
      "checks generation 0", checksGenerationZero.map { .flag($0) } ?? .unknown)
  }

  private func addIdentity(to report: inout Report) {
    report.add("attachable", .flag(identity != nil))
    if let identityObstacle { report.add("attaching obstacle", identityObstacle.description) }
    identity?.add(to: &report)
  }
}

extension FilesystemIdentity {
  func add(to report: inout Report) {
    report.add(isUUID ? "uuid" : "fsid", hexadecimal)
    report.add("root handle", root.map { .text("\($0)") } ?? .unknown)
    report.add("volume", volume.isEmpty ? .unknown : .text(volume))
  }
}

extension FilesystemProbe.Opening {
  /// Why the handle did not open its own file; unknown if it did.
  fileprivate var obstacle: Report.Figure {
    switch self {
    case .same: .unknown
    case .different: .text("another file was opened")
    case .notPermitted: .text("this needs CAP_DAC_READ_SEARCH")
    case .refused(let errno): .text(errno.description)
    }
  }
}

extension InodeGenerations {
  fileprivate var words: String {
    switch self {
    case .random: "32 random bits"
    case .randomThenCounted: "32 random bits, incremented at each reuse"
    case .counter: "a counter of the filesystem"
    case .transaction: "the transaction that created the file; inode numbers are not reused"
    case .layer: "those of the layer"
    case .server: "chosen by the filesystem's server"
    case .unknown: "not known"
    }
  }
}
