/// What a server held while a client walked through more and more files.
struct Walk: Codable {
  struct Point: Codable {
    /// How many files the client has listed and asked for their status so far.
    let files: Int
    let descriptors: Int
    let kibibytes: Int
  }

  let name: String
  let points: [Point]
}
