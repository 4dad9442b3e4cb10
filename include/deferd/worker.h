// A worker of task classes (deferd/task.h), whose program runs in two ways:
//
//   deferd-worker --queue images --warm -- ./my_worker      each task in a sandbox of its own, in a
//   fork
//                                                           of this program; limits, logs, usage
//   ./my_worker --unsandboxed --queue images                in threads of this program: for
//   development
//
//   int main(int argc, char** argv) {
//     deferd::Worker worker;
//     worker.add<Resize>();
//     return worker.run(argc, argv);
//   }
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "deferd/task.h"

namespace deferd::inline v1 {

class Worker {
 public:
  // Runs a payload; gives its result as JSON.
  using Run = std::function<std::string(const detail::Payload&, Context&)>;

  // Throws std::invalid_argument when there is one of that name.
  template <TaskClass T>
  Worker& add() {
    add(std::string(T::name), &detail::TaskCode<T>::run);
    return *this;
  }

  // Runs tasks until it is told to end (SIGTERM, SIGINT, or deferd-worker's word). Gives main()'s
  // exit code. `--help` says what the command line may have.
  int run(int argc, char** argv);

  // One payload, as this worker would run it: for tests. Throws what the task throws, and
  // NeverAgain for a payload that is none.
  std::string run_payload(std::string_view payload, Context& context) const;
  std::string run_payload(const detail::Payload& payload, Context& context) const;

 private:
  void add(std::string name, Run run);
  const Run& find(std::string_view task) const;

  std::map<std::string, Run, std::less<>> tasks_;
};

}  // namespace deferd::inline v1
