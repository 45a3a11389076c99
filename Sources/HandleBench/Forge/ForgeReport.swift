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
      Text.left("", 31) + Text.right("sent", 10) + Text.right("passed", 9)
        + Text.right("wrongly", 9) + "  refused by")
    for attack in Attack.allCases {
      guard let outcome = tally.outcomes[attack] else { continue }
      Swift.print(
        Text.left(attack.rawValue, 31) + Text.right("\(outcome.sent)", 10)
          + Text.right("\(outcome.accepted)", 9)
          + Text.right("\(outcome.acceptedWrongly)", 9) + "  " + Self.refusals(outcome))
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
      tally.outcomes[attack].map { "  " + Self.json(attack, $0) }
    }
    let findings = tally.findings.map { "  " + Self.json($0) }
    let text = """
      {"title": \(Text.json(title)), "sent": \(tally.sent), "reused_inodes": \(tally.reuses),
      "accepted_wrongly": \(tally.acceptedWrongly), "refused_wrongly": \(tally.refusedWrongly),
      "failed": \(tally.failed), "attacks": [
      \(attacks.joined(separator: ",\n"))
      ], "findings": [
      \(findings.joined(separator: ",\n"))
      ]}

      """
    try Text.write(text, to: path)
  }

  private static func json(_ attack: Attack, _ outcome: Outcome) -> String {
    let refused = GateRefusal.allCases.compactMap { refusal in
      outcome.refused[refusal].map { "\"\(Text.snakeCase(refusal.name))\": \($0)" }
    }.joined(separator: ", ")
    return "{\"name\": \(Text.json(attack.rawValue)), \"sent\": \(outcome.sent), "
      + "\"passed\": \(outcome.accepted), "
      + "\"accepted_wrongly\": \(outcome.acceptedWrongly), \"refused\": {\(refused)}}"
  }

  private static func json(_ finding: Finding) -> String {
    "{\"attack\": \(Text.json(finding.attack.rawValue)), "
      + "\"containment\": \(Text.json(finding.containment.rawValue)), "
      + "\"token\": \(Text.json(finding.token.description)), "
      + "\"made\": \(Text.json(finding.how)), \"result\": \(Text.json(finding.what))}"
  }
}
