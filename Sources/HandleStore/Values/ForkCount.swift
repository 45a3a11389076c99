/// How often the process was forked since it began (`fork(2)`), counted in the child.
package enum ForkCount {
  /// - Complexity: O(1). Any thread.
  @inline(__always)
  package static var now: UInt32 { SystemCalls.forkCount }
}
