import Foundation
import HandleStore
import TestSupport

// What the tests kill, starve or let crash: one task by its name.

let task = CommandLine.arguments.dropFirst().first ?? ""
let arguments = Array(CommandLine.arguments.dropFirst(2))
guard let body = Tasks.all[task] else {
  Tasks.say(
    "storeworker: the tests' helper; tasks: \(Tasks.all.keys.sorted().joined(separator: " "))")
  exit(task.isEmpty ? 0 : 2)
}
do {
  try body(arguments)
} catch {
  Tasks.say("error \(Tasks.name(error)): \(error)")
  exit(1)
}
