#include "api/http/http.h"

#include "api/http/json_writer.h"
#include "base/assert.h"
#include "base/text.h"

namespace deferd {

std::string_view HttpRequest::header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return {};
}

HttpReply& HttpReply::operator=(HttpReply&& other) noexcept {
  if (this != &other) {
    drop();
    thread_ = std::move(other.thread_);
    exchange_ = other.exchange_;
  }
  return *this;
}

HttpReply::~HttpReply() { drop(); }

void HttpReply::drop() noexcept {
  if (thread_ == nullptr) return;
  HttpResponse response;
  response.status = 500;
  response.body =
      error_json(500, "INTERNAL", "the server dropped this request; it is a bug of deferd");
  send(std::move(response));
}

void HttpReply::send(HttpResponse response) {
  DEFERD_ASSERT(thread_ != nullptr);
  const std::shared_ptr<HttpThread> thread = std::move(thread_);
  if (thread->is_current()) {
    thread->answer(exchange_, std::move(response));
    return;
  }
  // The thread outlives what it is given to run, so the raw pointer is enough.
  thread->post(
      [raw = thread.get(), exchange = exchange_, response = std::move(response)]() mutable {
        raw->answer(exchange, std::move(response));
      });
}

bool is_of_foreign_page(const HttpRequest& request) {
  std::string_view site;
  std::string_view origin;
  std::string_view host;
  for (const HttpHeader& header : request.headers) {
    if (equal_ignoring_case(header.name, "sec-fetch-site")) site = header.value;
    if (equal_ignoring_case(header.name, "origin")) origin = header.value;
    if (equal_ignoring_case(header.name, "host")) host = header.value;
  }
  if (!site.empty()) return site != "same-origin" && site != "none";
  if (origin.empty()) return false;
  const std::size_t scheme = origin.find("://");
  return scheme == origin.npos || origin.substr(scheme + 3) != host;  // "null" is foreign, too
}

std::string retry_after_line(const Error& error) {
  const bool later = error.reason == Reason::overloaded || error.reason == Reason::stopping;
  if (!error.retry_after && !later) return {};
  // Whole seconds are all that the header can say; "0" would be an invitation to spin.
  const Micros wait = error.retry_after.value_or(Seconds(1));
  const auto seconds = std::max<std::int64_t>(1, std::chrono::ceil<Seconds>(wait).count());
  return "Retry-After: " + std::to_string(seconds) + "\r\n";
}

std::string error_json(int code, std::string_view status, std::string_view message,
                       std::string_view field) {
  std::string out;
  out.reserve(64 + status.size() + message.size() + field.size());
  JsonWriter json(out);
  json.begin_object().key("error").begin_object();
  json.member("code", code).member("status", status).member("message", message);
  if (!field.empty()) json.member("field", field);
  json.end_object().end_object();
  return out;
}

}  // namespace deferd
