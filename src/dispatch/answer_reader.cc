#include "dispatch/answer_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "model/target_url.h"

namespace deferd {
namespace {

namespace http = boost::beast::http;

// Room for the answers that targets mostly give; grows up to answer_head_bytes_max, which holds
// whatever the parser must see at once.
constexpr std::size_t buffer_bytes_first = 4096;

// "0\r\n\r\n". Boost.Beast 1.81 asserts that it is not asked to go on in the last chunk with less,
// and a target may send it byte by byte. More always follows while a chunked body is not over, so
// waiting for as much is safe.
constexpr std::size_t last_chunk_bytes = 5;

// Neither a number of seconds nor a date is longer.
constexpr std::size_t retry_after_chars_max = 64;

}  // namespace

AnswerReader::Parser::Parser(bool to_head, KeptResponse* kept) : kept_(kept) {
  eager(true);
  header_limit(answer_head_bytes_max);
  body_limit(boost::none);  // received() looks at body_bytes
  skip(to_head);
}

void AnswerReader::Parser::on_field_impl(http::field name, View text, View value, Error&) {
  if (name == http::field::retry_after && value.size() <= retry_after_chars_max) {
    retry_after.assign(value.data(), value.size());
  }
  if (name == http::field::location && status / 100 == 3 && value.size() <= target_url_bytes_max) {
    location.assign(value.data(), value.size());
  }
  if (kept_ != nullptr) {
    kept_->add_header({text.data(), text.size()}, {value.data(), value.size()});
  }
}

std::size_t AnswerReader::Parser::add_body(View body) {
  body_bytes += body.size();
  if (kept_ != nullptr) kept_->add_body({body.data(), body.size()});
  return body.size();
}

void AnswerReader::begin(bool to_head, std::unique_ptr<KeptResponse> kept) {
  to_head_ = to_head;
  kept_ = std::move(kept);
  parser_.emplace(to_head, kept_.get());
  heard_ = false;
  DEFERD_ASSERT(used_ == 0);
  if (buffer_.empty()) buffer_.resize(buffer_bytes_first);
}

std::span<char> AnswerReader::space() { return std::span(buffer_).subspan(used_); }

AnswerReader::State AnswerReader::received(std::size_t size) {
  DEFERD_ASSERT(size <= buffer_.size() - used_);
  used_ += size;
  if (size > 0) heard_ = true;
  std::size_t at = 0;
  while (at < used_) {
    if (parser_->is_header_done() && parser_->chunked() && used_ - at < last_chunk_bytes) break;
    boost::beast::error_code error;
    const std::size_t taken =
        parser_->put(boost::asio::const_buffer(buffer_.data() + at, used_ - at), error);
    at += taken;
    if (error == http::error::need_more) break;
    if (error) return failed(error.message());
    if (parser_->is_done()) {
      const bool interim = parser_->status >= 100 && parser_->status < 200;
      if (interim && parser_->status != 101) {  // the answer itself is still to come
        if (kept_ != nullptr) kept_->clear();
        parser_.emplace(to_head_, kept_.get());
        continue;
      }
      // What follows an answer nobody asked for; and we never asked to switch protocols (101).
      return answered(at == used_ && !interim && parser_->keep_alive());
    }
    if (parser_->is_header_done() && body_is_over()) return answered(false);
  }
  used_ -= at;
  std::memmove(buffer_.data(), buffer_.data() + at, used_);
  if (used_ == buffer_.size()) {
    if (used_ >= answer_head_bytes_max) return failed("a line is too long");
    buffer_.resize(std::min(used_ * 2, answer_head_bytes_max));
  }
  return State::reading;
}

bool AnswerReader::body_is_over() const {
  if (kept_ != nullptr) return kept_->is_cut();
  return std::max(parser_->body_bytes, parser_->content_length().value_or(0)) > body_bytes_max_;
}

AnswerReader::State AnswerReader::ended() {
  if (parser_->got_some()) {  // which put_eof() requires
    boost::beast::error_code error;
    parser_->put_eof(error);
    if (!error && parser_->is_done()) return answered(false);
  }
  why_ = heard_ ? "connection closed in the middle of the answer"
                : "connection closed without an answer";
  return State::failed;
}

AnswerReader::State AnswerReader::answered(bool reusable) {
  if (parser_->status < 100 || parser_->status > 599) {
    return failed("status " + std::to_string(parser_->status) + " is outside 100..599");
  }
  status_ = parser_->status;
  reusable_ = reusable;
  used_ = 0;
  return State::answered;
}

AnswerReader::State AnswerReader::failed(std::string why) {
  why_ = "the answer is not HTTP: " + std::move(why);
  return State::failed;
}

}  // namespace deferd
