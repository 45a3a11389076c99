import HandleStore

/// What came of the attacks of one kind.
struct Outcome {
  var sent = 0
  var accepted = 0
  /// Those that opened what they should not have.
  var acceptedWrongly = 0
  var refused: [GateRefusal: Int] = [:]
}

/// What is not as it must be: the first ones, to be looked at.
struct Finding {
  let attack: Attack
  let containment: Containment
  let token: Token
  /// How the token was made.
  let how: String
  /// What came of it.
  let what: String
}

/// What came of all of them.
struct Tally {
  /// Of each kind of attack.
  private static let kept = 5

  private(set) var outcomes: [Attack: Outcome] = [:]
  private(set) var sent = 0
  /// Files that were opened and should not have been.
  var acceptedWrongly: Int { outcomes.values.reduce(0) { $0 + $1.acceptedWrongly } }
  /// Good tokens that did not pass.
  private(set) var refusedWrongly = 0
  /// What was answered with an error that is no refusal.
  private(set) var failed = 0
  private(set) var findings: [Finding] = []
  /// How often an inode number came back.
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
