// Reads one answer of a target without keeping it: the status, Retry-After, and how many bytes of
// body went by. Beast's parser without its message: nothing is allocated for an answer.
#pragma once

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "dispatch/asio_types.h"

namespace deferd {

namespace http = boost::beast::http;

// What a head of an answer may have. nginx refuses to pass on more than 4 or 8 KiB, Go's client
// reads up to 1 MiB.
constexpr std::uint32_t response_head_bytes_max = 16 * 1024;

class ResponseReader final : public http::basic_parser<false> {
 public:
  // `to_head`: the answer to a HEAD request has no body, whatever its headers say.
  explicit ResponseReader(bool to_head) {
    eager(true);
    header_limit(response_head_bytes_max);
    body_limit(boost::none);  // the connection looks at body_bytes_at_least()
    skip(to_head);
  }

  int status() const { return status_; }
  // As sent; empty: none. At most 64 characters: longer ones are no seconds and no date.
  const std::string& retry_after() const { return retry_after_; }
  // What the body has or will have, as far as is known now.
  std::uint64_t body_bytes_at_least() const {
    return is_header_done() ? std::max(body_bytes_, content_length().value_or(0)) : 0;
  }

 private:
  using View = boost::beast::string_view;

  void on_request_impl(http::verb, View, View, int, ErrorCode&) override {}
  void on_response_impl(int code, View, int, ErrorCode&) override { status_ = code; }
  void on_field_impl(http::field name, View, View value, ErrorCode&) override {
    if (name == http::field::retry_after && value.size() <= 64) {
      retry_after_.assign(value.data(), value.size());
    }
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(View body, ErrorCode&) override { return count(body.size()); }
  void on_chunk_header_impl(std::uint64_t, View, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, ErrorCode&) override {
    return count(body.size());
  }
  void on_finish_impl(ErrorCode&) override {}

  std::size_t count(std::size_t size) {
    body_bytes_ += size;
    return size;
  }

  int status_ = 0;
  std::uint64_t body_bytes_ = 0;
  std::string retry_after_;
};

}  // namespace deferd
