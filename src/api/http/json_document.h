// A request's body as JSON: parsed and checked once, then read.
//
// Boost.JSON stays inside the .cc files of the doors: this header is for them.
#pragma once

#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace deferd {

constexpr std::size_t json_depth_max = 32;
// A parsed value takes 16 bytes where its text may take 2: without a bound on their number, a
// request of 32 MB could take half a gigabyte. This one allows a batch of 1,000 tasks with 2,000
// numbers each.
constexpr std::uint64_t json_values_max = 2'000'000;

class JsonDocument {
 public:
  JsonDocument() = default;
  JsonDocument(const JsonDocument&) = delete;  // the tree lives in memory_
  JsonDocument& operator=(const JsonDocument&) = delete;

  // Refuses what is not JSON, invalid UTF-8, nesting beyond json_depth_max, more than
  // json_values_max values, and objects that name a member twice (which programs read in two ways).
  // An empty text is an empty object: a request whose members are all optional may have no body.
  // `text` outlives the document.
  Result<void> parse(std::string_view text);

  const boost::json::value& root() const { return *root_; }
  std::string_view text() const { return text_; }

 private:
  std::array<unsigned char, 4096> memory_;  // an ordinary request parses without the heap
  boost::json::monotonic_resource resource_{memory_.data(), memory_.size()};
  std::optional<boost::json::value> root_;
  std::string_view text_;
};

}  // namespace deferd
