import CYardstick
import HandleStore

/// Random numbers that a seed gives again.
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = ys_random(seed) }

  mutating func next() -> UInt64 {
    state &+= 1
    return ys_random(state)
  }

  mutating func number<T: FixedWidthInteger>(_ range: ClosedRange<T>) -> T {
    T.random(in: range, using: &self)
  }

  /// One of some things, of which there is at least one.
  mutating func pick<T>(_ things: [T]) -> T { things[number(0...things.count - 1)] }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in number(0...255) } }
}
