#include "api/cloudtasks/operations.h"

#include <algorithm>
#include <random>
#include <string_view>

namespace deferd::cloudtasks {
namespace {

constexpr Seconds kept_for = std::chrono::hours(1);
constexpr std::size_t kept_max = 10'000;
constexpr std::size_t kept_bytes_max = 64 << 20;

std::string new_number() {
  static std::random_device device;
  const std::uint64_t number = (std::uint64_t{device()} << 32) ^ device();
  std::string digits = std::to_string(number);
  return std::string(20 - digits.size(), '0') + digits;
}

// Keys of documents: the request, or of one without a request_id its number.
constexpr std::string_view by_request = "request ";
constexpr std::string_view by_number = "operation ";

}  // namespace

Operations::Operations(const std::vector<Document>& stored, const Now& now) {
  std::vector<const Document*> by_age;
  for (const Document& document : stored) {
    const bool is_ours =
        document.key.starts_with(by_request) || document.key.starts_with(by_number);
    if (is_ours && document.expires > now.wall) by_age.push_back(&document);
  }
  std::ranges::sort(by_age, {}, &Document::expires);
  for (const Document* document : by_age) {
    Entry entry{.finished = true};
    if (!entry.operation.ParseFromString(document->bytes)) continue;
    if (document->key.starts_with(by_request))
      entry.request = document->key.substr(by_request.size());
    const std::string& name = entry.operation.name();
    const std::string number = name.substr(name.rfind('/') + 1);
    if (!entry.request.empty()) by_request_[entry.request] = number;
    by_name_[name] = number;
    bytes_ += document->bytes.size();
    const Micros left = std::min<Micros>(document->expires - now.wall, kept_for);
    finished_.emplace_back(now.mono - (kept_for - left), number);
    entries_.insert_or_assign(number, std::move(entry));
  }
}

Document Operations::document_of(const std::string& number, const Operation& operation, Wall now) {
  std::string request;
  {
    const std::lock_guard lock(mutex_);
    request = entries_.at(number).request;
  }
  const std::string key =
      request.empty() ? std::string(by_number) + number : std::string(by_request) + request;
  return {{}, key, operation.SerializeAsString(), now + kept_for};
}

bool Operations::begin(const std::string& request, Mono now, std::string& number,
                       Done<Operation>& done) {
  std::unique_lock lock(mutex_);
  forget_old(now);
  if (!request.empty()) {
    const auto same = by_request_.find(request);
    if (same != by_request_.end()) {
      Entry& entry = entries_.at(same->second);
      if (!entry.finished) {
        entry.waiting.push_back(std::move(done));
        return false;
      }
      const Operation operation = entry.operation;
      lock.unlock();
      done(operation);
      return false;
    }
  }
  number = new_number();
  Entry& entry = entries_[number];
  entry.request = request;
  entry.waiting.push_back(std::move(done));
  if (!request.empty()) by_request_[request] = number;
  return true;
}

void Operations::finish(const std::string& number, Mono now, const Outcome<Operation>& result) {
  std::vector<Done<Operation>> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(number);
    waiting = std::move(at->second.waiting);
    at->second.waiting.clear();
    if (result) {
      at->second.finished = true;
      at->second.operation = *result;
      by_name_[result->name()] = number;
      bytes_ += result->ByteSizeLong();
      finished_.emplace_back(now, number);
    } else {
      by_request_.erase(at->second.request);
      entries_.erase(at);
    }
  }
  for (Done<Operation>& done : waiting) done(result);
}

Outcome<Operations::Operation> Operations::get(const std::string& name, Mono now) {
  const std::lock_guard lock(mutex_);
  forget_old(now);
  const auto found = by_name_.find(name);
  if (found == by_name_.end())
    return refuse(google::rpc::NOT_FOUND, "Requested entity was not found.");
  return entries_.at(found->second).operation;
}

void Operations::forget_old(Mono now) {
  while (!finished_.empty() && (now - finished_.front().first >= kept_for ||
                                finished_.size() > kept_max || bytes_ > kept_bytes_max)) {
    const auto at = entries_.find(finished_.front().second);
    bytes_ -= at->second.operation.ByteSizeLong();
    by_request_.erase(at->second.request);
    by_name_.erase(at->second.operation.name());
    entries_.erase(at);
    finished_.pop_front();
  }
}

}  // namespace deferd::cloudtasks
