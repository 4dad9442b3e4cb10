#include "dispatch/kept_response.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"

namespace deferd {

bool ResponseBudget::take(std::uint64_t bytes) {
  std::uint64_t left = left_.load(std::memory_order_relaxed);
  do {
    if (left < bytes) return false;
  } while (!left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed));
  return true;
}

const std::string* KeptResponse::kept_name(std::string_view name) const {
  static const std::string content_type = "Content-Type";
  if (equal_ignoring_case(name, content_type)) return &content_type;
  const auto& names = options_->result_headers;
  const auto found = std::ranges::find_if(
      names, [name](const std::string& kept) { return equal_ignoring_case(name, kept); });
  return found == names.end() ? nullptr : &*found;
}

bool KeptResponse::take(std::uint64_t bytes) {
  if (!budget_->take(bytes)) return false;
  taken_ += bytes;
  return true;
}

void KeptResponse::add_header(std::string_view name, std::string_view value) {
  const std::string* const as = kept_name(name);
  if (as == nullptr) return;
  constexpr std::string_view between = ", ";
  if (!take(as->size() + between.size() + value.size())) {
    body_.truncated = true;
    return;
  }
  const auto same =
      std::ranges::find(body_.headers, *as, &std::pair<std::string, std::string>::first);
  if (same == body_.headers.end()) {
    body_.headers.emplace_back(*as, value);
  } else {
    same->second.append(between).append(value);
  }
}

void KeptResponse::add_body(std::string_view bytes) {
  if (body_.truncated) return;
  std::string& body = body_.body;
  std::size_t fits = std::min(bytes.size(), result_bytes_max - body.size());
  if (body.size() + fits > body.capacity()) {
    const std::size_t room =
        std::min(std::max(body.capacity() * 2, body.size() + fits), result_bytes_max);
    if (take(room - body.capacity())) {
      body.reserve(room);
    } else {
      fits = body.capacity() - body.size();
    }
  }
  body.append(bytes.substr(0, fits));
  body_.truncated = fits < bytes.size();
}

void KeptResponse::clear() {
  body_ = {};
  budget_->give_back(std::exchange(taken_, 0));
}

std::shared_ptr<const ResultBody> KeptResponse::share(std::unique_ptr<KeptResponse> kept) {
  if (kept == nullptr) return nullptr;
  const ResultBody* const body = &kept->body_;
  return {std::shared_ptr<KeptResponse>(std::move(kept)), body};
}

std::unique_ptr<KeptResponse> keep_response(const Attempt& attempt,
                                            const std::shared_ptr<ResponseBudget>& budget) {
  if (!attempt.keeps_response()) return nullptr;
  return std::make_unique<KeptResponse>(budget, attempt.task.options);
}

}  // namespace deferd
