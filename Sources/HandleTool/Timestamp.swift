/// A time in seconds since 1970, formatted as a date and time in UTC.
struct Timestamp {
  let seconds: UInt32

  /// Appends the time in ISO 8601, such as `2025-01-31T23:59:59Z`.
  func append(to bytes: inout [UInt8]) {
    let (year, month, day) = date
    let second = Int(seconds % 86_400)
    bytes.append(decimal: year, digits: 4)
    bytes.append(UInt8(ascii: "-"))
    bytes.append(decimal: month, digits: 2)
    bytes.append(UInt8(ascii: "-"))
    bytes.append(decimal: day, digits: 2)
    bytes.append(UInt8(ascii: "T"))
    bytes.append(decimal: second / 3600, digits: 2)
    bytes.append(UInt8(ascii: ":"))
    bytes.append(decimal: second / 60 % 60, digits: 2)
    bytes.append(UInt8(ascii: ":"))
    bytes.append(decimal: second % 60, digits: 2)
    bytes.append(UInt8(ascii: "Z"))
  }

  var text: String {
    var bytes: [UInt8] = []
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The Gregorian date, valid for 1970…2106. The year begins in March here, so that the leap day
  /// is its last day.
  private var date: (year: Int, month: Int, day: Int) {
    let sinceMarch0000 = Int(seconds / 86_400) + 719_468
    let era = sinceMarch0000 / 146_097
    let dayOfEra = sinceMarch0000 % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthSinceMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthSinceMarch + 2) / 5 + 1
    let month = monthSinceMarch < 10 ? monthSinceMarch + 3 : monthSinceMarch - 9
    return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
  }
}
