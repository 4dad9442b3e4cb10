// What a door sees of HTTP: a request that has arrived whole, and a reply to give once. No header
// of Asio or Beast: those stay inside this room.
//
// A door gets the request on the thread of its connection, parses it there, submits, and keeps the
// HttpReply. The answer may be given later and from any thread. Work that should not run on the
// thread that has the result (encoding an answer is not a shard's work) is sent home with
// HttpReply::thread()->post().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/callback.h"
#include "base/result.h"
#include "base/time.h"

namespace deferd {

struct HttpHeader {
  std::string_view name;
  std::string_view value;
};

// Complete: the whole body is here, and below its limit. All views are valid until handle()
// returns.
struct HttpRequest {
  std::string_view method;  // as sent: "GET"
  std::string_view path;    // percent-encoded as sent: "/v1/queues/default"
  std::string_view query;   // what follows "?"; empty for none
  std::span<const HttpHeader> headers;
  std::string_view body;

  // The first value of that name (any case), or empty.
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json";  // static text
  std::string headers;                                 // further header lines, each with its CRLF
  std::string body;                                    // not sent with 204 and to HEAD
  bool close = false;                                  // end the connection after this answer
};

// Names one request of one connection. After the answer, or the end of the connection, it names
// nothing any more.
struct HttpExchange {
  std::uint32_t slot = 0;
  std::uint64_t serial = 0;
};

// The thread that some connections live on.
class HttpThread {
 public:
  virtual ~HttpThread() = default;

  // Runs `work` on this thread, in the order of the calls. Any thread may call. After the server's
  // end it is dropped.
  virtual void post(Callback<void()> work) = 0;
  // Whether the caller is this thread.
  virtual bool is_current() const = 0;

  // On this thread only: runs `work` when all that is ready to run now has had its turn. Of several
  // calls with one key before that, the first counts: what a hundred requests of one round need can
  // be done once for all of them.
  virtual void after_round(const void* key, Callback<void()> work) = 0;

  // The next three only on this thread; all do nothing for an exchange that is over.
  virtual void answer(HttpExchange exchange, HttpResponse response) = 0;
  // If nothing else has answered it by then, `late` does, to some milliseconds.
  virtual void answer_by(HttpExchange exchange, Millis from_now, Callback<HttpResponse()> late) = 0;
  // Calls `gone` once when the peer closes or half-closes before it has its answer (the two cannot
  // be told apart before something is written).
  virtual void when_gone(HttpExchange exchange, Callback<void()> gone) = 0;
};

// The duty to answer one request. Moves, and is fulfilled once; dropped without an answer it says
// 500 rather than leave a client waiting.
class HttpReply {
 public:
  HttpReply(std::shared_ptr<HttpThread> thread, HttpExchange exchange)
      : thread_(std::move(thread)), exchange_(exchange) {}
  HttpReply(HttpReply&&) noexcept = default;
  HttpReply& operator=(HttpReply&& other) noexcept;
  HttpReply(const HttpReply&) = delete;
  HttpReply& operator=(const HttpReply&) = delete;
  ~HttpReply();

  // Any thread; once.
  void send(HttpResponse response);

  // On the connection's thread only.
  void when_gone(Callback<void()> gone) { thread_->when_gone(exchange_, std::move(gone)); }

  // If it is not fulfilled by then, `late` says what the client gets; what is sent after that
  // reaches nobody.
  void answer_by(Millis from_now, Callback<HttpResponse()> late) {
    thread_->answer_by(exchange_, from_now, std::move(late));
  }

  const std::shared_ptr<HttpThread>& thread() const { return thread_; }

 private:
  void drop() noexcept;

  std::shared_ptr<HttpThread> thread_;  // null: answered, or moved from
  HttpExchange exchange_;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Called on the connection's thread; must not block. May answer at once.
  virtual void handle(const HttpRequest& request, HttpReply reply) = 0;

  // The answer to a request whose body is over the limit and was not read; `head` has none. Absent:
  // a 413 as other refusals. The connection ends after it.
  virtual std::optional<HttpResponse> too_large(const HttpRequest& /*head*/) {
    return std::nullopt;
  }
};

// Whether a browser sends this for a page of somebody else. Any page that a user visits may post to
// 127.0.0.1, and adding a task makes deferd call a url; such a page cannot read the answer, but it
// need not. Clients that are no browsers send neither header.
bool is_of_foreign_page(const HttpRequest& request);

// "Retry-After: 2\r\n" where trying `error` again makes sense; else nothing.
std::string retry_after_line(const Error& error);

// {"error":{"code":413,"status":"...","message":"...","field":"..."}}; an empty field is left out.
std::string error_json(int code, std::string_view status, std::string_view message,
                       std::string_view field = {});

}  // namespace deferd
