import ArgumentParser

struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key",
    abstract: "Manage the keys that sign tokens.",
    discussion: """
      One of a store's keys signs its tokens. A token is accepted if any of the keys has signed \
      it. The keys are in the store's file 'keys', which only its owner may read, and are never \
      printed.

        handlestore key list /var/lib/nodes
        handlestore key rotate /var/lib/nodes

      Exit codes: 0 success; 2 wrong usage; 3 the store or its keys cannot be used; 4 not \
      permitted, or the disk is full.
      """,
    subcommands: [
      KeyList.self, KeyRotate.self, KeyAdd.self, KeySign.self, KeyShare.self,
    ])
}
