// Pages of tasks.
#pragma once

#include <string>
#include <utility>

#include "api/native/answers.h"
#include "api/native/door.h"

namespace deferd::native {

inline Error wrong_page_token() {
  return {Reason::invalid, "page_token is not one that a page gave as next_page_token",
          "page_token", std::nullopt};
}

// `write(json, task)` each; `next` is the token of the page that follows, empty: none does.
template <class Tasks, class Write>
void send_page(HttpReply reply, const Tasks& tasks, const std::string& next, Write write) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("tasks").begin_array();
  for (const auto& task : tasks) write(json, task);
  json.end_array();
  if (!next.empty()) json.member("next_page_token", next);
  json.end_object();
  send_json(std::move(reply), 200, std::move(body));
}

}  // namespace deferd::native
