import Glibc

/// Waits until a condition holds; says whether it does.
public func eventually(seconds: Double, _ condition: () throws -> Bool) rethrows -> Bool {
  let end = ContinuousClock.now + .seconds(seconds)
  while try !condition() {
    if ContinuousClock.now > end { return false }
    usleep(8000)
  }
  return true
}
