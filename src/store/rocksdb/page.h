// A page of a scan: takes tasks until it holds as many, or as many bytes, as were asked for.
#pragma once

#include <cstdint>
#include <utility>

#include "engine/store.h"

namespace deferd {

class Page {
 public:
  Page(std::uint32_t tasks_max, std::uint64_t bytes_max)
      : tasks_max_(tasks_max), bytes_max_(bytes_max) {}

  bool full() const { return answer_.tasks.size() >= tasks_max_ || reached_; }
  void take(Task task) {
    bytes_ += task.payload->size();
    reached_ = bytes_ >= bytes_max_;
    answer_.tasks.push_back(std::move(task));
  }
  ScanAnswer finish(bool end) {
    answer_.end = end;
    return std::move(answer_);
  }

 private:
  const std::uint32_t tasks_max_;
  const std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  bool reached_ = false;
  ScanAnswer answer_;
};

}  // namespace deferd
