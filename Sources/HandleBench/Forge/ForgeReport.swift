import Formatting
import HandleStore
import SystemPackage

/// The results of a run, as text and as JSON.
struct ForgeReport {
  private let title: String
  private let tally: Tally

  init(_ forger: Forger, seed: UInt64) {
    let magic = forger.stores.server.knownFilesystems().first?.identity.magic.description ?? "?"
    let ways = forger.stores.targets.map(\.containment.rawValue).joined(separator: ", ")
    title = "seed \(seed), \(magic), containment \(ways)"
    tally = forger.tally
  }

  func print() {
    Swift.print("\(tally.sent) tokens, \(title)\n")
    Swift.print(
      Text.left("", 31) + Text.cell("sent", 10) + Text.cell("passed", 9)
        + Text.cell("wrongly", 9) + "  refused by")
    for attack in Attack.allCases {
      guard let outcome = tally.outcomes[attack] else { continue }
      Swift.print(
        Text.left(attack.rawValue, 31) + Text.cell("\(outcome.sent)", 10)
          + Text.cell("\(outcome.accepted)", 9)
          + Text.cell("\(outcome.acceptedWrongly)", 9) + "  " + Self.refusals(outcome))
    }
    Swift.print("\nreused inode numbers: \(tally.reuses)")
    for (name, count) in totals { Swift.print("\(name): \(count)") }
    for finding in tally.findings { Swift.print(Self.text(finding)) }
  }

  private var totals: [(String, Int)] {
    [
      ("accepted wrongly", tally.acceptedWrongly),
      ("good tokens refused", tally.refusedWrongly),
      ("errors that are not a refusal", tally.failed),
    ]
  }

  private static func refusals(_ outcome: Outcome) -> String {
    GateRefusal.allCases.compactMap { refusal in
      outcome.refused[refusal].map { "\(refusal.name) \($0)" }
    }.joined(separator: ", ")
  }

  private static func text(_ finding: Finding) -> String {
    """

    \(finding.attack.rawValue), containment \(finding.containment.rawValue): \(finding.what)
      made: \(finding.how)
      token: \(finding.token)
    """
  }
}

// MARK: JSON

extension ForgeReport {
  func write(to path: FilePath) throws {
    let attacks = Attack.allCases.compactMap { attack in
      tally.outcomes[attack].map { Self.json(attack, $0) }
    }
    let object = JSON.object([
      ("title", .string(title)), ("sent", .count(tally.sent)),
      ("reused_inodes", .count(tally.reuses)),
      ("accepted_wrongly", .count(tally.acceptedWrongly)),
      ("refused_wrongly", .count(tally.refusedWrongly)), ("failed", .count(tally.failed)),
      ("attacks", .array(attacks)), ("findings", .array(tally.findings.map(Self.json))),
    ])
    try Text.write(object, to: path)
  }

  private static func json(_ attack: Attack, _ outcome: Outcome) -> JSON {
    let refused = GateRefusal.allCases.compactMap { refusal in
      outcome.refused[refusal].map { (Text.snakeCase(refusal.name), JSON.count($0)) }
    }
    return .object([
      ("name", .string(attack.rawValue)), ("sent", .count(outcome.sent)),
      ("passed", .count(outcome.accepted)),
      ("accepted_wrongly", .count(outcome.acceptedWrongly)), ("refused", .object(refused)),
    ])
  }

  private static func json(_ finding: Finding) -> JSON {
    .object([
      ("attack", .string(finding.attack.rawValue)),
      ("containment", .string(finding.containment.rawValue)),
      ("token", .string(finding.token.description)), ("made", .string(finding.how)),
      ("result", .string(finding.what)),
    ])
  }
}
