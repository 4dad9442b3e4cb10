#include "api/cloudtasks/routing.h"

#include <algorithm>

namespace deferd::cloudtasks {
namespace {

bool is_word(std::string_view text) {
  return text.size() <= 100 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

// As App Engine writes dots in a label of a host, so that a target keeps its three words.
void append_word(std::string& target, std::string_view word) {
  for (const char c : word) {
    if (c == '.') {
      target += "-dot-";
    } else {
      target += c;
    }
  }
}

std::string_view cut_last(std::string_view& text) {
  const std::size_t dot = text.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? text : text.substr(dot + 1);
  text = dot == std::string_view::npos ? std::string_view() : text.substr(0, dot);
  return last;
}

}  // namespace

std::string target_of(const Routing& routing) {
  if (routing.empty()) return {};
  std::string target;
  for (const std::string* word : {&routing.instance, &routing.version}) {
    if (word->empty()) continue;
    append_word(target, *word);
    target += '.';
  }
  append_word(target, routing.service.empty() ? "default" : routing.service);
  return target;
}

Routing routing_of_target(std::string_view target) {
  Routing routing;
  routing.service = cut_last(target);
  routing.version = cut_last(target);
  routing.instance = target;
  return routing;
}

bool is_valid(const Routing& routing) {
  return is_word(routing.service) && is_word(routing.version) && is_word(routing.instance);
}

std::string shown_host(const Routing& routing, std::string_view project,
                       std::string_view location) {
  std::string host;
  for (const std::string* word : {&routing.instance, &routing.version, &routing.service}) {
    if (!word->empty()) host += *word + ".";
  }
  return host.append(project).append(".").append(location).append(".r.appspot.com");
}

}  // namespace deferd::cloudtasks
