import ArgumentParser
import Glibc
import HandleStore
import SystemPackage

/// The exit codes, which stand in Docs/CLI.md too.
enum ExitStatus: Int32 {
  case fine = 0
  case finding = 1
  case usage = 2
  case store = 3
  case system = 4
}

/// How the command ends, and what it says then.
struct ToolExit {
  static let table = """
    Exit codes: 0 fine; 1 something was found: a stale or unknown node, damage, a file or a \
    token that was refused; 2 wrong usage; 3 the store cannot be used: none there, in use, damaged, of another \
    version; 4 the system refused: not permitted, disk full, no descriptors, no file handles on \
    the filesystem.
    """

  private let status: ExitStatus
  private let message: String

  init(_ error: any Error) {
    switch error {
    case let finding as FindingExit:
      (status, message) = (.finding, finding.message.map(Self.line) ?? "")
    case StoreError.refused(let refusal):
      (status, message) = (.finding, Self.line("refused (\(refusal.name)): \(refusal)"))
    case let error as StoreError: (status, message) = (error.status, Self.line(error.description))
    case Errno.brokenPipe: (status, message) = (.fine, "")
    case let errno as Errno:
      (status, message) = (.system, Self.line("writing the output: \(errno)"))
    case let failure as SystemFailure:
      (status, message) = (.system, Self.line(failure.description))
    default: (status, message) = Self.parsing(error)
    }
  }

  /// Help that was asked for, or a usage error.
  private static func parsing(_ error: any Error) -> (ExitStatus, String) {
    let text = HandleStoreCommand.fullMessage(for: error)
    guard !HandleStoreCommand.exitCode(for: error).isSuccess else { return (.fine, text) }
    let said = text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text
    return (.usage, line(said))
  }

  private static func line(_ message: String) -> String { "handlestore: \(message)" }

  func leave() -> Never {
    let stream = status == .fine ? FileDescriptor.standardOutput : .standardError
    if !message.isEmpty { _ = try? stream.writeAll(Array((message + "\n").utf8)) }
    exit(status.rawValue)
  }
}

/// The command did what it was asked, and what it found is not as it should be.
struct FindingExit: Error {
  /// What to say on standard error, where the output has not said it.
  var message: String?
}

/// A system call on something that is not the store's.
struct SystemFailure: Error, CustomStringConvertible {
  let what: String
  let errno: Errno

  var description: String { "\(what): \(errno)\(remedy)" }

  private var remedy: String {
    switch errno {
    case .noSuchFileOrDirectory: "; name a directory that exists"
    case .notDirectory: "; name a directory"
    case .permissionDenied, .notPermitted: "; run as root"
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem: "; raise the limit (ulimit -n)"
    default: ""
    }
  }
}

extension StoreError {
  /// Whether something was not found that a damaged page may hide.
  var mayBeOfDamage: Bool {
    switch self {
    case .unknownNode, .unknownFilesystem, .refused(.unknownNode): true
    default: false
    }
  }

  /// What the error means for the exit code.
  var status: ExitStatus {
    switch self {
    case .stale, .staleHandle, .unknownNode, .notOpenable, .notOpenableHandle, .refused,
      .readOnlyExport:
      .finding
    case .inUse, .alreadyOpen, .readOnly, .closed, .forked, .noStore, .notAStore,
      .unsupportedVersion, .damaged, .torn, .tornCopy, .sharedData, .tooManyReaders, .noExport,
      .exposedKeys, .noKeys, .unusableKeys, .noKey, .damagedFile, .foreignFile, .unexpected:
      .store
    case .badExport, .badName, .badValue, .tokenTooLong: .usage
    case .unknownFilesystem, .notAttached, .wrongFilesystem, .ambiguousFilesystem,
      .tooManyFilesystems, .noHandles,
      .diskFull, .tooManyOpenFiles, .notPermitted, .unavailable, .mountPoint, .system:
      .system
    }
  }
}
