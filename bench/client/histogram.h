// Latencies in nanoseconds, counted in buckets that grow with the value: 64 to each power of two,
// so that a percentile is at most 1.6 % off, whatever its size. 30 KB, no allocation while
// counting.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace deferd::bench {

class Histogram {
 public:
  void add(std::int64_t nanos) {
    ++buckets_[index(static_cast<std::uint64_t>(std::max<std::int64_t>(nanos, 0)))];
    ++count_;
  }

  void clear() { *this = Histogram(); }

  std::uint64_t count() const { return count_; }

  // The value that `share` (0..1) of the counted ones do not exceed; 0 when there are none.
  double percentile_ms(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (buckets_[i] != 0 && seen >= wanted) return static_cast<double>(highest(i)) / 1e6;
    }
    return 0;
  }

 private:
  static constexpr int fine_bits = 6;
  static constexpr std::size_t bucket_count = (64 - fine_bits + 1) << fine_bits;

  // Values below 64 have a bucket each; above, the leading bit chooses the row and the next six the
  // place in it.
  static std::size_t index(std::uint64_t value) {
    const int row = std::max(0, static_cast<int>(std::bit_width(value)) - fine_bits - 1);
    return (static_cast<std::size_t>(row) << fine_bits) + static_cast<std::size_t>(value >> row);
  }

  static std::uint64_t highest(std::size_t i) {
    const std::size_t row = i < (2u << fine_bits) ? 0 : (i >> fine_bits) - 1;
    return ((static_cast<std::uint64_t>(i - (row << fine_bits)) + 1) << row) - 1;
  }

  std::array<std::uint64_t, bucket_count> buckets_{};
  std::uint64_t count_ = 0;
};

}  // namespace deferd::bench
