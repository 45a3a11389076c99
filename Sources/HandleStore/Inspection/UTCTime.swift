/// A time in seconds since 1970, as a date and time in UTC.
package struct UTCTime {
  package let seconds: UInt32

  package init(seconds: UInt32) { self.seconds = seconds }

  /// The time in ISO 8601, such as `2026-01-31T23:59:59Z`.
  package var text: String {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The time as in the names of kept files: `20260131T235959Z`.
  var name: String {
    String(
      decoding: text.utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") },
      as: UTF8.self)
  }

  /// Appends ``text``.
  package func append(to bytes: inout [UInt8]) {
    let (year, month, day) = date
    let second = Int(seconds % 86_400)
    Self.append(year, digits: 4, "-", to: &bytes)
    Self.append(month, digits: 2, "-", to: &bytes)
    Self.append(day, digits: 2, "T", to: &bytes)
    Self.append(second / 3600, digits: 2, ":", to: &bytes)
    Self.append(second / 60 % 60, digits: 2, ":", to: &bytes)
    Self.append(second % 60, digits: 2, "Z", to: &bytes)
  }

  /// Appends a number, padded with zeros, and a character after it.
  private static func append(
    _ number: Int, digits: Int, _ end: Unicode.Scalar, to bytes: inout [UInt8]
  ) {
    var unit = digits == 4 ? 1000 : 10
    while unit > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(number / unit % 10))
      unit /= 10
    }
    bytes.append(UInt8(ascii: end))
  }

  /// The Gregorian date, valid for 1970…2106. The calendar repeats after 400 years. The year begins
  /// in March here, so that the leap day is its last day.
  private var date: (year: Int, month: Int, day: Int) {
    let sinceMarch0 = Int(seconds / 86_400) + 719_468
    let era = sinceMarch0 / 146_097
    let day = sinceMarch0 % 146_097
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    return (era * 400 + year + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
  }
}
