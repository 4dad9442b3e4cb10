// The door over real sockets, with the real runtime and a memory store behind it: what an HTTP
// client sends, and what it gets.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/cloudtasks/rest/rest.h"
#include "api/cloudtasks/testing/harness.h"
#include "api/cloudtasks/text.h"
#include "api/http/server.h"
#include "api/http/testing/raw_client.h"

namespace deferd::cloudtasks::rest {

namespace json = boost::json;

struct Answer {
  int status = 0;
  std::string text;
  json::value body;

  // "error.message": the member at that path; null when there is none.
  json::value at(std::string_view path) const {
    const json::value* found = &body;
    for (const std::string_view name : split(path, '.')) {
      const json::object* const object = found->if_object();
      if (object == nullptr || !object->contains(name)) return nullptr;
      found = &object->at(name);
    }
    return *found;
  }
  std::string text_at(std::string_view path) const {
    const json::value value = at(path);
    return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  }
};

class RestTest : public CloudTasksTest {
 protected:
  ~RestTest() override {
    if (server_) server_->stop(Millis(0));
  }

  Answer call(std::string_view method, std::string_view target, std::string_view body = {},
              std::string_view headers = {}) {
    if (!server_) start();
    const auto response = client_->call(method, target, body, headers);
    if (!response) {
      ADD_FAILURE() << "no answer to " << method << " " << target;
      return {};
    }
    EXPECT_EQ(response->header("Content-Type"), "application/json; charset=UTF-8");
    Answer answer{response->status, response->body, nullptr};
    boost::system::error_code error;
    answer.body = json::parse(response->body, error);
    EXPECT_FALSE(error) << response->body;
    return answer;
  }
  Answer get(std::string_view target) { return call("GET", target); }
  Answer post(std::string_view target, std::string_view body = {}) {
    return call("POST", target, body);
  }

  std::uint16_t port() const { return server_->port(); }
  CloudTasksRestOptions rest_options_;  // before the first call
  std::uint64_t body_bytes_max_ = 4 << 20;

 private:
  void start() {
    service();
    door_ = make_cloud_tasks_rest(rest_options_, shared_service());
    HttpOptions http;
    http.listen = "127.0.0.1:0";
    http.threads = 2;
    http.body_bytes_max = body_bytes_max_;
    auto started = HttpServer::start(http, *door_);
    ASSERT_TRUE(started);
    server_ = std::move(*started);
    client_.emplace(server_->port());
  }

  std::unique_ptr<HttpHandler> door_;
  std::unique_ptr<HttpServer> server_;
  std::optional<RawClient> client_;
};

}  // namespace deferd::cloudtasks::rest
