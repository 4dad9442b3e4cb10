#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace deferd {

// Keeps the beginning and the end of what is written, within a bound.
class BoundedLog {
 public:
  explicit BoundedLog(std::uint64_t bytes_max) : half_(bytes_max / 2) {}

  void append(std::string_view text) {
    const std::size_t first = std::min<std::size_t>(text.size(), half_ - head_.size());
    head_.append(text.substr(0, first));
    tail_.append(text.substr(first));
    // Cut now and then, not at each piece.
    if (tail_.size() > 2 * half_) cut();
  }
  std::uint64_t finish(std::string& log) {
    cut();
    log = std::move(head_);
    if (left_out_ > 0) log += "\n... " + std::to_string(left_out_) + " bytes left out ...\n";
    log += tail_;
    return left_out_;
  }

 private:
  void cut() {
    if (tail_.size() <= half_) return;
    left_out_ += tail_.size() - half_;
    tail_.erase(0, tail_.size() - half_);
  }

  const std::size_t half_;
  std::string head_;
  std::string tail_;
  std::uint64_t left_out_ = 0;
};

}  // namespace deferd
