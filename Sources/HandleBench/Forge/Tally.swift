import HandleStore

/// The results of the attacks of one kind.
struct Outcome {
  var sent = 0
  var accepted = 0
  /// The number of tokens that opened a file that they should not have opened.
  var acceptedWrongly = 0
  var refused: [GateRefusal: Int] = [:]
}

/// A wrong answer of the gate, kept for the report.
struct Finding {
  let attack: Attack
  let containment: Containment
  let token: Token
  /// How the token was made.
  let how: String
  /// What was wrong with the answer.
  let what: String
}

/// The results of all attacks.
struct Tally {
  /// The most findings to keep for each kind of attack.
  private static let kept = 5

  private(set) var outcomes: [Attack: Outcome] = [:]
  private(set) var sent = 0
  /// The number of tokens that opened a file that they should not have opened.
  var acceptedWrongly: Int { outcomes.values.reduce(0) { $0 + $1.acceptedWrongly } }
  /// The number of good tokens that were refused.
  private(set) var refusedWrongly = 0
  /// The number of tokens that were answered with an error other than a refusal.
  private(set) var failed = 0
  private(set) var findings: [Finding] = []
  /// The number of inode numbers that came back.
  var reuses = 0

  var isAsItMustBe: Bool {
    acceptedWrongly + refusedWrongly + failed == 0 && (outcomes[.good]?.accepted ?? 0) > 0
  }

  mutating func send(_ attack: Attack) {
    sent += 1
    outcomes[attack, default: Outcome()].sent += 1
  }

  mutating func accept(_ attack: Attack) { outcomes[attack]?.accepted += 1 }

  mutating func refuse(_ attack: Attack, _ refusal: GateRefusal) {
    outcomes[attack]?.refused[refusal, default: 0] += 1
  }

  mutating func acceptWrongly(_ finding: Finding) {
    outcomes[finding.attack]?.acceptedWrongly += 1
    keep(finding)
  }

  mutating func refuseWrongly(_ finding: Finding) {
    refusedWrongly += 1
    keep(finding)
  }

  mutating func fail(_ finding: Finding) {
    failed += 1
    keep(finding)
  }

  private mutating func keep(_ finding: Finding) {
    let alike = findings.count { $0.attack == finding.attack }
    if alike < Self.kept { findings.append(finding) }
  }
}
