internal import ArgumentParser

/// The processors that a server may use, as `taskset(1)` takes them: `0-2,5`.
struct ProcessorList: ExpressibleByArgument {
  let numbers: [Int32]
  let defaultValueDescription: String

  init?(argument: String) {
    var numbers: [Int32] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        0 <= first, first <= last, last < Self.most
      else { return nil }
      numbers += first...last
    }
    self.numbers = numbers
    defaultValueDescription = argument
  }

  private static let most: Int32 = 1024
}
