import Foundation
import HandleStore
import SystemPackage
import TestSupport

/// What the worker can be told to do.
enum Tasks {
  static let all: [String: @Sendable ([String]) throws -> Void] = [
    "write": { arguments in
      let task = try WriteTask(arguments) {
        try Store(at: FilePath($0), options: StoreOptions(durability: durability($1)))
      }
      try task.writeUntilKilled()
    },
    "gateway": gateway, "member": member, "cached": cached, "threadless": threadless,
    "verify": verify,
    "fill": {
      var task = try FillTask($0)
      try task.run()
    },
    "hold": hold, "crowd": crowd, "readers": readers, "descriptors": descriptors, "fork": fork,
    "addresses": addresses, "orphan": orphan, "copy": copy,
    "pin": pin, "watch": watch,
    "create": { try CreateTask($0).run() }, "starve": StarveTask.run,
    "note": note, "move": move, "chdir": chdir,
  ]

  /// The name of an error's case.
  static func name(_ error: any Error) -> String {
    switch error as? StoreError {
    case .diskFull: "diskFull"
    case .forked: "forked"
    case .tooManyOpenFiles: "tooManyOpenFiles"
    case .torn: "torn"
    default: "other"
    }
  }

  /// Prints a line at once.
  static func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = Glibc.write(1, bytes, bytes.count)
  }

  static func durability(_ text: String) throws -> Durability {
    guard let durability = Durability(rawValue: text) else { throw Usage(text) }
    return durability
  }

  struct Usage: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = "what is \(text)?" }
  }

  /// `verify STORE DURABILITY LOG…`: opens a store after a power cut, holds it to the logs, closes it.
  private static func verify(_ arguments: [String]) throws {
    let durability = try durability(arguments[1])
    let store = try Store(
      at: FilePath(arguments[0]), options: StoreOptions(durability: durability))
    var witness = Witness()
    let lines = try arguments.dropFirst(2).map { try AcknowledgementLog.lines(FilePath($0)) }
    witness.read(lines.flatMap { $0 })
    try witness.check(store, allowing: durability == .process)
    try witness.checkAllNodes(store)
    try store.close()
    for finding in witness.findings.prefix(20) { say("finding \(finding)") }
    say("verified \(witness.registrations)")
  }
}
