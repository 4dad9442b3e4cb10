// The parts of the library of warm handlers that the launcher (launcher.h) is made of too.
#pragma once

#include <deferd/warm.h>

#include <cstddef>

namespace deferd {

// As deferd_warm_next(), over `socket`, but nothing of the task is read yet.
int next_fork(int socket);

struct TaskRest {
  char* arguments;  // each ends with a zero
  std::size_t arguments_size;
  int payload;  // a descriptor, from which payload_size bytes are to be read
};
// In the process of a task, once: all of it but the payload; the environment tells of it too.
TaskRest read_facts(deferd_warm_task& task);

// In the process of a task: it ends as one that was not started, because of errno.
[[noreturn]] void give_up(const char* step);

}  // namespace deferd
