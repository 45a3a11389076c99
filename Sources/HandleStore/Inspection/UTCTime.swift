/// A date and time in UTC, as in the names of kept files.
enum UTCTime {
  /// Formats seconds since 1970 as `20260131T235959Z`.
  static func name(_ seconds: UInt32) -> String {
    let (days, rest) = Int(seconds).quotientAndRemainder(dividingBy: 86_400)
    let (year, month, day) = date(days)
    return pad(year, 4) + pad(month, 2) + pad(day, 2) + "T" + pad(rest / 3600, 2)
      + pad(rest / 60 % 60, 2) + pad(rest % 60, 2) + "Z"
  }

  /// Returns the date of a day, counted from 1970. The Gregorian calendar repeats after 400 years.
  /// The year begins in March here, so that the leap day is its last day.
  private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let sinceMarch0 = days + 719_468
    let era = sinceMarch0 / 146_097
    let day = sinceMarch0 % 146_097
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    return (era * 400 + year + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
  }

  private static func pad(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
