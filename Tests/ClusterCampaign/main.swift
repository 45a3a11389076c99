import Foundation
import TestSupport

// `clustercampaign SCRIPT FAULTS SEED [FAULT...]`: runs in a cluster of Scripts/cluster, which SCRIPT is.
// Inflicts faults, or only those that are named. Ends with 0 if what the gateways were told fits together.

let arguments = CommandLine.arguments
guard arguments.count >= 4, let count = Int(arguments[2]), let seed = UInt64(arguments[3]) else {
  say("clustercampaign: the tests' helper; usage: SCRIPT FAULTS SEED [FAULT...]")
  exit(arguments.count < 2 ? 0 : 2)
}
let named = arguments.dropFirst(4).compactMap { Fault(rawValue: $0) }
do {
  var campaign = try Campaign(Cluster(script: arguments[1]), seed: seed)
  try campaign.run(count, named.isEmpty ? Fault.allCases : named)
  let outcome = try campaign.end(lease: .seconds(2))
  for (fault, times) in outcome.pauses {
    say(
      "\(fault): \(times.count), a new node after \(times[times.count / 2]) ms, at most \(times.last ?? 0)"
    )
  }
  for finding in outcome.findings.prefix(20) { say("finding: \(finding)") }
  say(
    "\(count) faults, seed \(seed), \(outcome.calls) calls, \(outcome.failures) failed,"
      + " the longest took \(outcome.longest / 1_000_000) ms,"
      + " \(outcome.registrations) registrations, \(outcome.findings.count) findings")
  exit(outcome.findings.isEmpty && outcome.registrations > 0 ? 0 : 1)
} catch {
  say("clustercampaign: \(error)")
  exit(1)
}
