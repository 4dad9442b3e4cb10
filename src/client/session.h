// What a client has: calls, and the poller of its futures. The clients' faces are thin over it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "client/http_link.h"
#include "client/result_poller.h"
#include "deferd/client.h"

namespace deferd::inline v1::detail {

// Its coroutines hold it, and run on its strand.
class Session : public std::enable_shared_from_this<Session> {
 public:
  template <class T>
  using Co = boost::asio::awaitable<T>;

  // Throws InvalidArgument for a URL or a CA file that cannot be used.
  Session(const boost::asio::any_io_executor& executor, ClientOptions options);

  Co<std::shared_ptr<const Answer>> exchange(Request request);
  Co<std::shared_ptr<Pending>> submit(std::string payload, SubmitOptions options);
  Co<std::vector<Outcome<std::shared_ptr<Pending>>>> submit_all(std::vector<std::string> payloads,
                                                                SubmitOptions options);
  Co<bool> cancel(std::string queue, std::string task);
  void close();

  const boost::asio::any_io_executor strand;

 private:
  std::shared_ptr<Pending> watch(const std::string& queue, const Task& task);

  const std::string queue_;  // of tasks that name none
  const std::shared_ptr<HttpLink> link_;
  const std::shared_ptr<ResultPoller> poller_;
};

}  // namespace deferd::inline v1::detail
