import HandleStore

/// Bytes without a valid signature. None of them may pass.
extension Forger {
  /// Forges tokens from a token by value and a token by reference, and from random bytes.
  func forgeBytes(_ target: Target, _ good: [GoodToken]) {
    let value = dice.pick(good.filter { $0.form != .reference })
    let reference = dice.pick(good.filter { $0.form == .reference })
    for token in [value, reference] {
      flipBits(token, target)
      cut(token, target)
      extend(token, target)
      randomBehindHeader(token, target)
      for _ in 0..<100 { splice(token, with: dice.pick(good), for: target) }
    }
    for length in 0...(Token.maximumLength + 12) {
      let bytes = dice.bytes(length)
      refuse(bytes, target, .randomBytes, "\(length) random bytes")
    }
  }

  private func refuse(
    _ bytes: [UInt8], _ target: Target, _ attack: Attack, _ how: @autoclosure () -> String
  ) {
    send(Token(bytes: bytes), to: target.server, attack, .refusal, how())
  }

  private func flipBits(_ good: GoodToken, _ target: Target) {
    var bytes = good.token.bytes
    for bit in 0..<bytes.count * 8 {
      bytes[bit / 8] ^= 1 << (bit % 8)
      refuse(bytes, target, .flippedBit, "bit \(bit) of \(good)")
      bytes[bit / 8] ^= 1 << (bit % 8)
    }
  }

  private func cut(_ good: GoodToken, _ target: Target) {
    let bytes = good.token.bytes
    for length in 0..<bytes.count {
      refuse(Array(bytes[..<length]), target, .cut, "the first \(length) bytes of \(good)")
      let end = Array(bytes[(bytes.count - length)...])
      refuse(end, target, .cut, "the last \(length) bytes of \(good)")
    }
    // Keep the signature at the end, where a token of that length has it.
    for length in 1..<(bytes.count - 16) {
      let inner = Array(bytes[..<length] + bytes[(bytes.count - 16)...])
      refuse(inner, target, .cut, "\(length) bytes and the signature of \(good)")
    }
  }

  private func extend(_ good: GoodToken, _ target: Target) {
    let bytes = good.token.bytes
    for more in 1...(Token.maximumLength + 4 - bytes.count) {
      let zeros = [UInt8](repeating: 0, count: more)
      let tail = bytes + (more.isMultiple(of: 2) ? zeros : dice.bytes(more))
      refuse(tail, target, .extended, "\(good) and \(more) bytes")
      let body = Array(bytes.dropLast(16) + zeros + bytes.suffix(16))
      refuse(body, target, .extended, "\(good) with \(more) zeros before the signature")
    }
  }

  private func randomBehindHeader(_ good: GoodToken, _ target: Target) {
    for length in 32...Token.maximumLength {
      let kept = dice.number(4...16)
      let bytes = good.token.bytes[..<kept] + dice.bytes(length - kept)
      refuse(
        Array(bytes), target, .randomBehindHeader,
        "\(kept) bytes of \(good), and random ones up to \(length)")
    }
  }

  /// Builds a token whose fields are taken from two tokens.
  private func splice(_ one: GoodToken, with other: GoodToken, for target: Target) {
    let (a, b) = (one.token.bytes, other.token.bytes)
    let choice: UInt8 = dice.number(1...254)
    func field(_ number: UInt8, _ range: (Int) -> Range<Int>) -> ArraySlice<UInt8> {
      let from = choice >> number & 1 == 0 ? a : b
      return from[range(from.count)]
    }
    let head = [0..<1, 1..<2, 2..<3, 3..<4, 4..<8, 8..<16].enumerated().flatMap { number, range in
      field(UInt8(number)) { _ in range }
    }
    let bytes = head + field(6) { 16..<($0 - 16) } + field(7) { ($0 - 16)..<$0 }
    guard bytes != a, bytes != b else { return }
    refuse(bytes, target, .spliced, "fields \(choice) of \(other), the rest of \(one)")
  }
}
