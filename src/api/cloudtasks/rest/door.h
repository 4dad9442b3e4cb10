#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "api/cloudtasks/rest/bindings.h"
#include "api/cloudtasks/rest/rest.h"
#include "api/cloudtasks/service.h"

namespace deferd::cloudtasks::rest {

class Door final : public HttpHandler {
 public:
  Door(CloudTasksRestOptions options, std::shared_ptr<Service> service)
      : options_(options), service_(std::move(service)), bindings_(service_->call_counts) {}

  void handle(const HttpRequest& request, HttpReply reply) override;
  std::optional<HttpResponse> too_large(const HttpRequest& head) override;

 private:
  Context context_of(const HttpRequest& request, const Query& query,
                     const std::shared_ptr<HttpThread>& thread) const;

  const CloudTasksRestOptions options_;
  const std::shared_ptr<Service> service_;
  const Bindings bindings_;
};

}  // namespace deferd::cloudtasks::rest
