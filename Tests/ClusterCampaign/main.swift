import Foundation
import TestSupport

// `clustercampaign SCRIPT FAULTS SEED [FAULT...]`: runs in a cluster of Scripts/cluster, which SCRIPT is.
// Inflicts faults, or only those that are named. Ends with 0 if what the gateways were told fits together.

let arguments = CommandLine.arguments
guard arguments.count >= 4, let count = Int(arguments[2]), let seed = UInt64(arguments[3]) else {
  print("clustercampaign: the tests' helper; usage: SCRIPT FAULTS SEED [FAULT...]")
  exit(arguments.count < 2 ? 0 : 2)
}
setvbuf(stdout, nil, _IOLBF, 0)
let named = arguments.dropFirst(4).compactMap { Fault(rawValue: $0) }
do {
  var campaign = try Campaign(Cluster(script: arguments[1]), seed: seed)
  try campaign.run(count, named.isEmpty ? Fault.allCases : named)
  let outcome = try campaign.end(lease: .seconds(2))
  for (fault, times) in outcome.pauses {
    print(
      "\(fault): \(times.count), a new node after \(times[times.count / 2]) ms, at most \(times.last ?? 0)"
    )
  }
  for finding in outcome.findings.prefix(20) { print("finding: \(finding)") }
  print(
    "\(count) faults, seed \(seed), \(outcome.calls) calls, \(outcome.failures) failed,"
      + " \(outcome.registrations) registrations, \(outcome.findings.count) findings")
  exit(outcome.findings.isEmpty && outcome.registrations > 0 ? 0 : 1)
} catch {
  print("clustercampaign: \(error)")
  exit(1)
}
