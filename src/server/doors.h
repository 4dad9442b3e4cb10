// Which door a request is for: the first whose paths it matches, else the native one. Built once,
// before requests come; then it never changes, so any thread may ask.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "api/http/http.h"

namespace deferd {

class Doors final : public HttpHandler {
 public:
  using HasPath = bool (*)(std::string_view path);

  explicit Doors(std::unique_ptr<HttpHandler> native) : native_(std::move(native)) {}
  void add(HasPath has_path, std::unique_ptr<HttpHandler> door) {
    doors_.emplace_back(has_path, std::move(door));
  }

  void handle(const HttpRequest& request, HttpReply reply) override {
    for (const auto& [has_path, door] : doors_) {
      if (has_path(request.path)) return door->handle(request, std::move(reply));
    }
    native_->handle(request, std::move(reply));
  }
  std::optional<HttpResponse> too_large(const HttpRequest& head) override {
    for (const auto& [has_path, door] : doors_) {
      if (has_path(head.path)) return door->too_large(head);
    }
    return native_->too_large(head);
  }

 private:
  const std::unique_ptr<HttpHandler> native_;
  std::vector<std::pair<HasPath, std::unique_ptr<HttpHandler>>> doors_;
};

}  // namespace deferd
