#include "warm/launcher.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "warm/task_fork.h"

namespace deferd {

void run_launcher(int control, char* const* command) {
  if (next_fork(control) != 1) ::_exit(0);
  deferd_warm_task task;
  const TaskRest rest = read_facts(task);
  std::vector<char*> words;
  for (; *command != nullptr; ++command) words.push_back(*command);
  for (std::size_t at = 0; at < rest.arguments_size; at += std::strlen(rest.arguments + at) + 1)
    words.push_back(rest.arguments + at);
  words.push_back(nullptr);
  if (::dup2(rest.payload, 0) < 0) give_up("stdin");
  ::close(rest.payload);
  ::execve(words[0], words.data(), environ);
  char step[120];
  std::snprintf(step, sizeof step, "start %s", words[0]);
  give_up(step);
}

}  // namespace deferd
