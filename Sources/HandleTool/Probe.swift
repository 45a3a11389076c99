import ArgumentParser
import HandleStore
import SystemPackage

struct Probe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a filesystem can do for a store.",
    discussion: """
      Makes the file handle of DIR and opens it again, and says how handles look there, by what the \
      filesystem is told from others, and how an export of DIR could keep files in it and how long its tokens would be. Needs no store and changes nothing.

        handlestore probe /srv/export

      Exit codes: 0 a store can keep files of this filesystem; 1 it cannot; 4 DIR cannot be opened, \
      or opening by handle is not permitted (run as root).
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
    if case .failure(let error) = identity { return error.description }
    return "\(StoreError.noHandles(magic))"
  }

  fileprivate func report(_ containments: [Containment]) -> Report {
    var report = Report()
    report.add("usable", .flag(isUsable))
    report.add("filesystem", type.isEmpty ? "\(magic)" : type)
    report.add("mount point", Text.path(mountPoint))
    addHandles(to: &report)
    addGenerations(to: &report)
    addIdentity(to: &report)
    report.add("containment", Self.list(containments.map(\.rawValue)))
    report.add("token length", tokenLength.map { .number(UInt64($0)) } ?? .unknown)
    report.add("nfs versions", Self.list(nfsVersions.map(String.init)))
    return report
  }

  private static func list(_ words: [String]) -> Report.Figure {
    words.isEmpty ? .unknown : .text(words.joined(separator: ", "))
  }

  private func addHandles(to report: inout Report) {
    report.add("opens again", opening.words)
    let known = try? handle.get()
    report.add("handle type", known.map { .text($0.type.description) } ?? .unknown)
    report.add(
      "handle type number",
      known.map { .number(UInt64(UInt32(bitPattern: $0.type.rawValue))) } ?? .unknown)
    report.add("handle length", known.map { .number(UInt64($0.length)) } ?? .unknown)
    report.add("connectable", connectable.words)
  }

  private func addGenerations(to report: inout Report) {
    report.add("layout known", .flag(knowsLayout))
    report.add("generations", magic.generations.words)
    report.add(
      "checks generation 0", checksGenerationZero.map { .flag($0) } ?? .unknown)
  }

  private func addIdentity(to report: inout Report) {
    switch identity {
    case .failure(let error): report.add("attach", "refused: \(error)")
    case .success(let identity):
      report.add("attach", "accepted")
      report.add(identity.isUUID ? "uuid" : "fsid", identity.uuid)
      report.add("root handle", identity.root.map { .text("\($0)") } ?? .unknown)
      report.add("volume", identity.volume.isEmpty ? .unknown : .text(identity.volume))
    }
  }
}

extension FilesystemProbe.Opening {
  fileprivate var words: String {
    switch self {
    case .same: "yes"
    case .different: "no: another file was opened"
    case .notPermitted: "not tried: it needs CAP_DAC_READ_SEARCH"
    case .refused(let errno): "no: \(errno)"
    }
  }
}

extension Result where Success == KernelFileHandle, Failure == Errno {
  fileprivate var words: String {
    switch self {
    case .success(let handle): "yes: \(handle.type), \(handle.length) bytes"
    case .failure(let errno): "no: \(errno)"
    }
  }
}

extension InodeGenerations {
  fileprivate var words: String {
    switch self {
    case .random: "32 random bits"
    case .randomThenCounted: "32 random bits, counted up at each reuse"
    case .counter: "a counter of the filesystem"
    case .transaction: "the transaction of the creation; numbers do not come back"
    case .layer: "those of the layer"
    case .server: "as the filesystem's server says"
    case .unknown: "not known"
    }
  }
}
