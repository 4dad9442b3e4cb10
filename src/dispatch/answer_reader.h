// Reads answers of a target from a stream of bytes, one after the other, keeping of each only what
// the dispatcher acts on: the status, Retry-After, Location, and whether the connection can be used
// again; headers and body too when they are to be kept (kept_response.h). Interim answers (100,
// 103) are skipped, bodies that nobody keeps are dropped, heads and bodies are bounded.
// No I/O: what a peer may send is tried in its fuzzer.
//
//   reader.begin(to_head, kept);
//   read into reader.space(); reader.received(size);   again while State::reading
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/kept_response.h"

namespace deferd {

// What the head of an answer may have, beside what of it came with its first bytes (so twice this
// at most). nginx refuses to pass on more than 4 or 8 KiB, Go's client reads up to 1 MiB.
constexpr std::size_t answer_head_bytes_max = 16 * 1024;

class AnswerReader {
 public:
  enum class State {
    reading,
    answered,  // status() and the others are there
    failed,    // why() says what was wrong; nothing more can be read from this connection
  };

  // A longer body completes the answer early, and makes the connection not reusable(). Of an answer
  // that is kept, instead, one that goes beyond what is kept.
  explicit AnswerReader(std::uint64_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  // Expects an answer; the first, or after State::answered. A read into space() may be under way.
  // `to_head`: the answer to a HEAD request has no body, whatever its head says. `kept`: what is to
  // be filled; mostly null.
  void begin(bool to_head, std::unique_ptr<KeptResponse> kept = nullptr);

  // Where the next bytes go; never empty while reading.
  std::span<char> space();
  // `size` bytes were put there. Requires State::reading since begin().
  State received(std::size_t size);
  // The peer closed in order, which is how an answer without a length ends. Requires the same.
  State ended();

  // Whether anything came since begin().
  bool heard() const { return heard_; }

  int status() const { return status_; }  // 100..599
  // As sent; empty: none, or longer than seconds and dates are.
  const std::string& retry_after() const { return parser_->retry_after; }
  // As sent, of an answer 3xx; empty: none, or longer than a URL may be.
  const std::string& location() const { return parser_->location; }
  bool reusable() const { return reusable_; }
  // What begin() was given.
  std::unique_ptr<KeptResponse> take_kept() { return std::move(kept_); }
  const std::string& why() const { return why_; }

 private:
  // Beast's parser without its message: nothing is allocated for an answer.
  class Parser final : public boost::beast::http::basic_parser<false> {
   public:
    Parser(bool to_head, KeptResponse* kept);

    int status = 0;
    std::uint64_t body_bytes = 0;
    std::string retry_after;
    std::string location;

   private:
    using View = boost::beast::string_view;
    using Error = boost::beast::error_code;

    void on_request_impl(boost::beast::http::verb, View, View, int, Error&) override {}
    void on_response_impl(int code, View, int, Error&) override { status = code; }
    void on_field_impl(boost::beast::http::field name, View, View value, Error&) override;
    void on_header_impl(Error&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
    std::size_t on_body_impl(View body, Error&) override { return add_body(body); }
    void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, View body, Error&) override {
      return add_body(body);
    }
    void on_finish_impl(Error&) override {}
    std::size_t add_body(View body);

    KeptResponse* const kept_;
  };

  // No more of the body is of use.
  bool body_is_over() const;

  State answered(bool reusable);
  State failed(std::string why);

  const std::uint64_t body_bytes_max_;
  std::optional<Parser> parser_;
  bool to_head_ = false;
  std::unique_ptr<KeptResponse> kept_;
  bool heard_ = false;

  // What was read and not yet parsed is in its first used_ bytes.
  std::vector<char> buffer_;
  std::size_t used_ = 0;

  int status_ = 0;
  bool reusable_ = false;
  std::string why_;
};

}  // namespace deferd
