#include "api/http/request_head.h"

#include <boost/beast/http/basic_parser.hpp>
#include <functional>
#include <limits>

#include "base/assert.h"
#include "base/text.h"

namespace deferd {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using beast_string_view = boost::beast::string_view;

std::string_view view(beast_string_view text) { return {text.data(), text.size()}; }

HttpRefusal bad_request(std::string message) {
  return {400, "INVALID_ARGUMENT", std::move(message)};
}

// Beast's parser with its events made plain.
class BeastParser : public http::basic_parser<true> {
 public:
  BeastParser() {
    header_limit(
        std::numeric_limits<std::uint32_t>::max());  // the caller bounds what it hands over
    body_limit(boost::none);
  }

 protected:
  void on_response_impl(int, beast_string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(beast_string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast_string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast_string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}
  void on_request_impl(http::verb, beast_string_view, beast_string_view, int,
                       error_code&) override {}
  void on_field_impl(http::field, beast_string_view, beast_string_view, error_code&) override {}
};

class HeadParser final : public BeastParser {
 public:
  HeadParser(std::string_view text, RequestHead& head) : text_(text), head_(head) {}

  int hosts = 0;
  int lengths = 0;
  bool list_length = false;  // "3, 3": allowed by RFC 9110, 8.6, and read in two ways by too many
  bool transfer_encoding = false;
  bool other_coding = false;

 private:
  void on_request_impl(http::verb, beast_string_view method, beast_string_view target, int version,
                       error_code&) override {
    head_.method = view(method);
    head_.target = view(target);
    head_.version = version;
  }
  void on_field_impl(http::field field, beast_string_view name, beast_string_view value,
                     error_code& ec) override {
    // A folded line comes in a buffer of the parser's own; nobody needs them (RFC 9112, 5.2),
    // smugglers like them.
    const std::less<const char*> before;
    const bool inside = value.empty() || (!before(value.data(), text_.data()) &&
                                          before(value.data(), text_.data() + text_.size()));
    if (!inside) {
      ec = http::error::bad_obs_fold;
      return;
    }
    if (head_.headers.size() >= request_headers_max) {
      ec = http::error::header_limit;
      return;
    }
    head_.headers.push_back({view(name), view(value)});
    switch (field) {
      case http::field::host:
        ++hosts;
        break;
      case http::field::content_length:
        ++lengths;
        list_length = list_length || value.find(',') != value.npos;
        break;
      case http::field::transfer_encoding:
        other_coding = transfer_encoding || !equal_ignoring_case(view(value), "chunked");
        transfer_encoding = true;
        break;
      case http::field::expect:
        head_.expect_continue = equal_ignoring_case(view(value), "100-continue");
        break;
      default:
        break;
    }
  }

  std::string_view text_;
  RequestHead& head_;
};

}  // namespace

HttpRefusal parse_request_head(std::string_view text, RequestHead& head) {
  head.headers.clear();
  head.expect_continue = false;
  HeadParser parser(text, head);
  error_code error;
  parser.put(boost::asio::const_buffer(text.data(), text.size()), error);
  if (error == http::error::header_limit) {
    return {431, "INVALID_ARGUMENT",
            "too many header lines; send at most " + std::to_string(request_headers_max)};
  }
  if (error == http::error::bad_version) {
    return {505, "INVALID_ARGUMENT", "the request line is not HTTP/1.1; speak HTTP/1.1"};
  }
  if (error) return bad_request("the request is not well-formed HTTP/1.1: " + error.message());
  if (!parser.is_header_done()) return bad_request("the request's head is not complete");
  if (parser.transfer_encoding && (parser.lengths > 0 || head.version == 10)) {
    return bad_request("both Transfer-Encoding and Content-Length (or HTTP/1.0): send one of them");
  }
  if (parser.other_coding) {
    return {501, "UNIMPLEMENTED", "a Transfer-Encoding other than chunked is not supported"};
  }
  if (parser.lengths > 1 || parser.list_length) return bad_request("more than one Content-Length");
  if (parser.hosts > 1 || (parser.hosts == 0 && head.version == 11)) {
    return bad_request("a request needs exactly one Host header");
  }
  head.chunked = parser.chunked();
  head.content_length = head.chunked ? 0 : parser.content_length().value_or(0);
  head.keep_alive = parser.keep_alive();
  return {};
}

void split_target(std::string_view target, std::string_view& path, std::string_view& query) {
  if (const std::size_t scheme = target.find("://");
      !target.starts_with('/') && scheme != target.npos) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == target.npos ? std::string_view("/") : target.substr(slash);
  }
  const std::size_t mark = target.find('?');
  path = target.substr(0, mark);
  query = mark == target.npos ? std::string_view() : target.substr(mark + 1);
}

// Trailer lines arrive as fields like those of the head; BeastParser drops them, so none can pose
// as a header.
class ChunkedBody::Parser final : public BeastParser {
 public:
  Parser(std::string& body, std::uint64_t body_bytes_max)
      : body_(body), body_bytes_max_(body_bytes_max) {
    eager(true);
    header_limit(64 << 10);  // also bounds the trailer
  }

 private:
  void on_chunk_header_impl(std::uint64_t size, beast_string_view, error_code& ec) override {
    if (size > body_bytes_max_ - body_.size()) ec = http::error::body_limit;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, beast_string_view piece, error_code& ec) override {
    if (piece.size() > body_bytes_max_ - body_.size()) {
      ec = http::error::body_limit;
      return 0;
    }
    body_.append(piece.data(), piece.size());
    return piece.size();
  }

  std::string& body_;
  std::uint64_t body_bytes_max_;
};

ChunkedBody::ChunkedBody(std::string_view head, std::uint64_t body_bytes_max)
    : parser_(std::make_unique<Parser>(body_, body_bytes_max)) {
  error_code error;
  parser_->put(boost::asio::const_buffer(head.data(), head.size()), error);
  DEFERD_ASSERT(parser_->is_header_done());  // it parsed before
}

ChunkedBody::~ChunkedBody() = default;

bool ChunkedBody::done() const { return parser_->is_done(); }

// Boost.Beast 1.81 asserts that it is not asked to go on in the last chunk, "0\r\n\r\n", with less
// than all of it, and a client may send it byte by byte. So its pieces are held back: something
// always follows them.
bool may_be_piece_of_last_chunk(std::string_view input) {
  constexpr std::string_view last_chunk = "0\r\n\r\n";
  return input.size() < last_chunk.size() &&
         input.find_first_not_of(last_chunk) == std::string_view::npos;
}

std::size_t ChunkedBody::take(std::string_view input, HttpRefusal& refusal) {
  std::size_t taken = 0;
  while (!parser_->is_done() && !may_be_piece_of_last_chunk(input.substr(taken))) {
    error_code error;
    const std::size_t used =
        parser_->put(boost::asio::const_buffer(input.data() + taken, input.size() - taken), error);
    taken += used;
    if (error == http::error::need_more) break;
    if (error == http::error::body_limit) {
      refusal = {413, "INVALID_ARGUMENT", "the request's body is over its limit"};
      break;
    }
    if (error) {
      refusal = bad_request("the chunked body is malformed: " + error.message());
      break;
    }
    if (used == 0) break;
  }
  return taken;
}

}  // namespace deferd
