// Calls of one server over HTTP/1.1: kept connections, TLS, timeouts, and repeating what may be
// repeated. On one strand.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "client/answer.h"
#include "deferd/client.h"

namespace deferd::inline v1::detail {

class HttpLink {
 public:
  template <class T>
  using Co = boost::asio::awaitable<T>;

  // Throws InvalidArgument for a URL or a CA file that cannot be used.
  static std::unique_ptr<HttpLink> make(boost::asio::any_io_executor strand,
                                        const ClientOptions& options);
  virtual ~HttpLink() = default;

  // Throws ApiError and Unreachable. To be awaited on the strand.
  virtual Co<Answer> exchange(Request request) = 0;

  // Not longer than until close().
  virtual Co<void> pause(Duration span) = 0;

  // What is under way, and what comes after, ends as Unreachable. On the strand.
  virtual void close() = 0;
  virtual bool closed() const = 0;
};

}  // namespace deferd::inline v1::detail
