// Asks for the results of all outstanding futures of a client: a few long polls a queue, each for
// up to 1,000 tasks.
//
// A poll that is under way cannot take more tasks. So a newcomer begins another, until there are
// polls_max of them; the last of these waits only briefly, and each that comes back takes along
// what has gathered. On one strand, but watch().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/http_link.h"
#include "deferd/future.h"

namespace deferd::inline v1::detail {

class ResultPoller : public std::enable_shared_from_this<ResultPoller> {
 public:
  ResultPoller(boost::asio::any_io_executor strand, std::shared_ptr<HttpLink> link)
      : strand_(std::move(strand)), link_(std::move(link)) {}

  // From any thread. A future that nobody holds any more is forgotten.
  void watch(const std::shared_ptr<Pending>& pending);

 private:
  using Waiting = std::weak_ptr<Pending>;
  struct Queue {
    std::deque<Waiting> idle;  // in no poll
    int polls = 0;
  };
  using Batch = std::map<std::string, Waiting, std::less<>>;  // by id

  boost::asio::awaitable<void> poll(std::string queue);
  boost::asio::awaitable<void> ask(const std::string& queue, Batch& batch, Duration wait);
  static Batch take(Queue& queue);

  const boost::asio::any_io_executor strand_;
  const std::shared_ptr<HttpLink> link_;
  std::map<std::string, Queue> queues_;
};

}  // namespace deferd::inline v1::detail
