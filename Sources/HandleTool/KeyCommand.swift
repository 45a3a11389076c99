import ArgumentParser

struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key",
    abstract: "Change the keys that sign tokens, and share them.",
    discussion: """
      A store's tokens are signed under one of its keys, and taken if they were signed under any. The \
      keys stand in the store's file 'keys', which only its owner may read, and are never printed.

        handlestore key list /var/lib/nodes
        handlestore key rotate /var/lib/nodes

      Exit codes: 0 fine; 2 wrong usage; 3 the store or its keys cannot be used; 4 not permitted, or \
      the disk is full.
      """,
    subcommands: [
      KeyList.self, KeyRotate.self, KeyAdd.self, KeySign.self, KeyShare.self,
    ])
}
