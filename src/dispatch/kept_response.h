// The response of a target to an attempt whose outcome is kept, as far as it is: Content-Type, the
// headers that the task names, and the body up to result_bytes_max.
//
// What all attempts together hold of responses is bounded (ResponseBudget), until the engine has
// written each into its outcome. What the budget has no room for is cut off, as what is too long.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/dispatcher.h"
#include "model/outcome.h"

namespace deferd {

// Bytes that may be held at once. Thread-safe.
class ResponseBudget {
 public:
  explicit ResponseBudget(std::uint64_t bytes_max) : left_(bytes_max) {}

  // False: there are not as many, and none is taken.
  bool take(std::uint64_t bytes);
  void give_back(std::uint64_t bytes) { left_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> left_;
};

class KeptResponse {
 public:
  // Of `options`, result_headers count. Not null.
  KeptResponse(std::shared_ptr<ResponseBudget> budget, std::shared_ptr<const TaskOptions> options)
      : budget_(std::move(budget)), options_(std::move(options)) {}
  ~KeptResponse() { budget_->give_back(taken_); }
  KeptResponse(const KeptResponse&) = delete;
  KeptResponse& operator=(const KeptResponse&) = delete;

  // Kept under the name that the task gave. Those of one name are joined with ", " (RFC 9110, 5.3).
  void add_header(std::string_view name, std::string_view value);
  void add_body(std::string_view bytes);
  // Nothing more is kept: it went beyond what may be.
  bool is_cut() const { return body_.truncated; }
  // What came so far was an interim answer.
  void clear();

  // The bytes count as held until the last owner lets go.
  static std::shared_ptr<const ResultBody> share(std::unique_ptr<KeptResponse> kept);

 private:
  const std::string* kept_name(std::string_view name) const;
  bool take(std::uint64_t bytes);

  const std::shared_ptr<ResponseBudget> budget_;
  const std::shared_ptr<const TaskOptions> options_;
  ResultBody body_;
  std::uint64_t taken_ = 0;
};

// Null: the attempt keeps none.
std::unique_ptr<KeptResponse> keep_response(const Attempt& attempt,
                                            const std::shared_ptr<ResponseBudget>& budget);

}  // namespace deferd
