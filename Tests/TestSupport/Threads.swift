import Foundation

/// Runs a body in some threads at once, each with its number, and waits for all.
///
/// - Returns: what the threads returned, by number.
/// - Throws: what the first of them threw.
public func inThreads<R: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (Int) throws -> R
) throws -> [R] {
  let results = Results<R>(count)
  let threads = (0..<count).map { number in
    Thread {
      results.set(number, Result { try body(number) })
    }
  }
  for thread in threads {
    thread.stackSize = 1 << 20
    thread.start()
  }
  return try results.wait()
}

/// What threads returned so far.
private final class Results<R: Sendable>: @unchecked Sendable {
  private let condition = NSCondition()
  private var results: [Int: Result<R, any Error>] = [:]
  private let count: Int

  init(_ count: Int) { self.count = count }

  func set(_ number: Int, _ result: Result<R, any Error>) {
    condition.lock()
    results[number] = result
    condition.signal()
    condition.unlock()
  }

  func wait() throws -> [R] {
    condition.lock()
    defer { condition.unlock() }
    while results.count < count { condition.wait() }
    return try (0..<count).compactMap { try results[$0]?.get() }
  }
}
