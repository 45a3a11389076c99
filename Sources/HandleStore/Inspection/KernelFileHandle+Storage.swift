extension KernelFileHandle {
  /// Whether a store keeps the handle in the table `spill`, because it is too long for the node's
  /// record.
  package var isSpilled: Bool { length > Record.inlineLimit }
}
