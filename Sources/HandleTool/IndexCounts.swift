import HandleStore

/// The counts of an indexing run so far.
struct IndexCounts {
  var created = 0
  var existing = 0
  var replaced = 0
  var spilled = 0
  var directories = 0
  var skipped = 0
  var refused = 0
  private let start = ContinuousClock.now

  /// The number of files that have a node now.
  var files: Int { created + existing + replaced }

  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  var filesPerSecond: Double { Double(files) / max(seconds, 1e-6) }

  mutating func count(_ registration: Registration, spilled isSpilled: Bool) {
    switch registration.outcome {
    case .created: created += 1
    case .existing: existing += 1
    case .replaced: replaced += 1
    case .stale: skipped += 1
    }
    if isSpilled { spilled += 1 }
  }

  var report: Report {
    var report = Report()
    report.add("created", created)
    report.add("existing", existing)
    report.add("replaced", replaced)
    report.add("spilled", spilled)
    report.add("directories", directories)
    report.add("skipped", skipped)
    report.add("refused", refused)
    report.add("seconds", .seconds(seconds))
    report.add("files a second", Int(filesPerSecond))
    return report
  }
}
