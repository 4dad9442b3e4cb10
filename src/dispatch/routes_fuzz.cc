// Whatever a task writes into its headers and path: it goes to a place of the table and to no
// other, and what is sent of its words stays one head with our own headers in it once.
//
// The input's lines are: the queue's target, the path, then headers as "name:value".
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/text.h"
#include "dispatch/request_head.h"
#include "dispatch/routes.h"

namespace {

using namespace deferd;

const Routes& table() {
  static const std::shared_ptr<const Routes> routes = [] {
    RouteOptions options;
    AppRoutes& shop = options.apps["shop"];
    shop.hostname = "shop.example.com";
    shop.url = "http://front:1/under";
    shop.services = {{"worker", "http://worker:2"}, {"v1.worker", "https://worker:3"}};
    AppRoutes& other = options.apps["other"];
    other.service_url = "http://{service}.internal:4/{service}";
    return *Routes::make(options);
  }();
  return *routes;
}

// Whether the operator wrote it.
bool is_known(const TargetUrl& url) {
  if (url.host == "front") return url.port == 1 && !url.tls;
  if (url.host == "worker") return url.port == (url.tls ? 3 : 2);
  if (url.port != 4 || url.tls || !url.host.ends_with(".internal")) return false;
  const std::string service = url.host.substr(0, url.host.size() - 9);
  return !service.empty() && service.find('.') == std::string::npos;
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

std::string_view line(std::string_view& rest) {
  const std::string_view first = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), first.size() + 1));
  return first;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view target = line(rest);
  PushRequestView request;
  request.door = Door::appengine;
  request.url = line(rest);
  request.body = "x";
  while (!rest.empty()) {
    const std::string_view header = line(rest);
    const std::size_t colon = std::min(header.find(':'), header.size());
    request.headers.emplace_back(header.substr(0, colon),
                                 header.substr(std::min(header.size(), colon + 1)));
  }
  if (!check_target_path(request.url) || !check_request_headers(request)) return 0;

  static const auto queue =
      std::make_shared<const QueueName>(*QueueName::parse("shop", "l", "mail"));
  Attempt attempt;
  attempt.queue = queue;
  for (const std::string_view app : {"shop", "other"}) {
    Route route = table().resolve(app, target, host_header(request), request.url);
    DEFERD_ASSERT(is_known(route.url));
    DEFERD_ASSERT(route.url.path.ends_with(request.url));
    const AppPush push{route.host, route.hostname, "ticket", "id"};
    std::string head;
    write_request_head({attempt, request, route.url, &push, {}}, head);
    DEFERD_ASSERT(head.find("\r\n\r\n") == head.size() - 4);
    head = to_lower(head);
    for (const std::string_view ours :
         {"\r\nhost: ", "\r\nx-appengine-queuename: ", "\r\nx-appengine-user-ip: ",
          "\r\nx-appengine-api-ticket: ", "\r\ncontent-length: ", "\r\nx-forwarded-for: ",
          "\r\nx-google-internal-skipadmincheck: "}) {
      DEFERD_ASSERT(count(head, ours) == 1, ours);
    }
    DEFERD_ASSERT(count(head, "\r\nx-appengine-cron: ") == 0);
    DEFERD_ASSERT(count(head, "\r\ntransfer-encoding: ") == 0);
  }
  return 0;
}
