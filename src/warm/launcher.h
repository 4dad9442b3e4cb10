// What stands in the place of a warm handler for programs that are started for each task: it forks
// as one does, and the fork becomes the program, with the payload on stdin. A part of the keeper
// (worker/keeper_main.cc), so that it needs no file in the sandboxes and little memory.
#pragma once

namespace deferd {

// `command` is the program's path and its arguments, then null; environ is the task's environment.
// Ends when the worker needs it no more.
[[noreturn]] void run_launcher(int control, char* const* command);

}  // namespace deferd
