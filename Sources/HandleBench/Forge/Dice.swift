import CYardstick
import HandleStore

/// Random numbers that the same seed gives again.
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

  /// Returns one of the things, which must not be empty.
  mutating func pick<T>(_ things: [T]) -> T { things[number(0...things.count - 1)] }

  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in number(0...255) } }
}
