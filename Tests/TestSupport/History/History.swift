import Glibc
import HandleStore
import Synchronization
import SystemPackage

/// What a process that may be killed at any moment writes down of its calls: when each began, and when it
/// returned and what. Times are nanoseconds of `CLOCK_BOOTTIME`, so histories of all processes of a machine
/// have one clock.
public final class History: Sendable {
  private let file: FileDescriptor
  private let last = Atomic<UInt64>(0)

  /// Begins a history in a new file.
  public init(_ path: FilePath) throws {
    file = try .open(
      path, .writeOnly, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite)
  }

  /// Makes calls, and writes down that they began, and then what the body returns for each, or that they
  /// failed.
  public func record<R>(
    _ calls: [HistoryCall], _ body: () throws -> (R, [HistoryResult])
  ) throws -> R {
    let end = last.wrappingAdd(UInt64(calls.count), ordering: .relaxed).newValue
    let numbers = (end - UInt64(calls.count))..<end
    append(zip(numbers, calls).map { "b \($0) \(SystemCalls.sinceBoot) \($1.text) ;\n" })
    do {
      let (value, results) = try body()
      let now = SystemCalls.sinceBoot
      append(zip(numbers, results).map { "e \($0) \(now) \($1.text) ;\n" })
      return value
    } catch {
      let now = SystemCalls.sinceBoot
      append(numbers.map { "e \($0) \(now) \(HistoryResult.failed.text) ;\n" })
      throw error
    }
  }

  /// Makes one call.
  @discardableResult
  public func record(
    _ call: HistoryCall, _ body: () throws -> HistoryResult
  ) throws -> HistoryResult {
    try record([call]) {
      let result = try body()
      return (result, [result])
    }
  }

  private func append(_ lines: [String]) {
    let bytes = Array(lines.joined().utf8)
    _ = bytes.withUnsafeBytes { Glibc.write(file.rawValue, $0.baseAddress, $0.count) }
  }

  deinit { try? file.close() }
}

/// A call that is in a history.
public struct HistoryEvent: Sendable {
  /// What was asked.
  public let call: HistoryCall
  /// When it began.
  public let start: UInt64
  /// When it returned; `nil` if the process ended before.
  public fileprivate(set) var end: UInt64?
  /// ``HistoryResult/failed`` if the process ended before.
  public fileprivate(set) var result: HistoryResult

  /// A call with its times and its result.
  public init(_ call: HistoryCall, _ start: UInt64, _ end: UInt64?, _ result: HistoryResult) {
    (self.call, self.start, self.end, self.result) = (call, start, end, result)
  }
}

extension HistoryEvent {
  /// The calls in a history, in the order in which they began.
  ///
  /// - Parameter offset: the byte at which to begin.
  public static func read(_ path: FilePath, from offset: Int64 = 0) throws -> [HistoryEvent] {
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    let text = try file.closeAfter {
      try file.seek(offset: offset, from: .start)
      return try readAll(file)
    }
    var events: [HistoryEvent] = []
    // The place of a call that has not ended, by its number.
    var open: [UInt64: Int] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count >= 5, words.last == ";", let number = UInt64(words[1]),
        let time = UInt64(words[2])
      else { continue }
      let numbers = words[4..<(words.count - 1)].compactMap { UInt64($0) }
      if words[0] == "b", let call = HistoryCall(words[3], numbers) {
        open[number] = events.count
        events.append(HistoryEvent(call, time, nil, .failed))
      } else if let result = HistoryResult(words[3], numbers),
        let place = open.removeValue(forKey: number)
      {
        (events[place].end, events[place].result) = (time, result)
      }
    }
    return events
  }
}
