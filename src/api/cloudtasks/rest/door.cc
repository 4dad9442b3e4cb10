#include "api/cloudtasks/rest/door.h"

#include <algorithm>
#include <string>

#include "api/cloudtasks/rest/bad_request.h"
#include "api/cloudtasks/rest/deadline.h"
#include "api/cloudtasks/rest/errors.h"
#include "api/cloudtasks/rest/json_output.h"
#include "api/cloudtasks/rest/pretty.h"
#include "api/cloudtasks/text.h"

namespace deferd {

bool is_cloud_tasks_path(std::string_view path) {
  constexpr std::string_view starts[] = {"/v2/", "/v2beta3/", "/v2beta2/", "/projects/"};
  if (std::ranges::any_of(starts, [&](std::string_view start) { return path.starts_with(start); }))
    return true;
  // Of the native door's /v1 just projects/P/locations and projects/P/locations/L.
  if (!path.starts_with("/v1/projects/")) return false;
  const auto words = cloudtasks::split(path.substr(1), '/');
  return (words.size() == 4 || words.size() == 5) && words[3] == "locations";
}

std::unique_ptr<HttpHandler> make_cloud_tasks_rest(CloudTasksRestOptions options,
                                                   std::shared_ptr<cloudtasks::Service> service) {
  return std::make_unique<cloudtasks::rest::Door>(options, std::move(service));
}

}  // namespace deferd

namespace deferd::cloudtasks::rest {
namespace {

// Answers are made on the thread of the caller's connection.
class HttpCallThread final : public CallThread {
 public:
  explicit HttpCallThread(std::shared_ptr<HttpThread> thread) : thread_(std::move(thread)) {}

  void post(Callback<void()> work) override { thread_->post(std::move(work)); }
  void after_round(const void* key, Callback<void()> work) override {
    if (thread_->is_current()) return thread_->after_round(key, std::move(work));
    std::move(work)();
  }

 private:
  const std::shared_ptr<HttpThread> thread_;
};

// Java's HTTP client cannot say PATCH, so Google's clients say POST and this header.
std::string_view method_of(const HttpRequest& request) {
  if (request.method == "HEAD") return "GET";
  if (request.method != "POST") return request.method;
  const std::string_view meant = request.header("x-http-method-override");
  return meant.empty() ? request.method : meant;
}

HttpResponse no_such_path(const HttpRequest& request, std::string_view others) {
  if (others.empty()) {
    return error_response(google::rpc::NOT_FOUND,
                          "There is no method at the path " + quoted(request.path) + ".");
  }
  return error_response(google::rpc::NOT_FOUND,
                        "The path " + quoted(request.path) + " does not take the method " +
                            quoted(method_of(request)) + "; it takes " + std::string(others) + ".");
}

HttpResponse json_response(const Method::Message& message, const Shape& shape, JsonFormat format,
                           bool is_pretty) {
  HttpResponse response;
  response.content_type = json_type;
  append_json(message, shape, format, response.body);
  if (is_pretty) response.body = pretty(response.body);
  return response;
}

}  // namespace

void Door::handle(const HttpRequest& request, HttpReply reply) {
  const std::string_view http_method = method_of(request);
  if (http_method != "GET" && is_of_foreign_page(request)) {
    return reply.send(error_response(google::rpc::PERMISSION_DENIED,
                                     "A web page of another origin may not change anything here."));
  }
  const PathWords path = PathWords::split(request.path);
  const Bindings::Found found = bindings_.find(path, http_method);
  if (found.binding == nullptr) return reply.send(no_such_path(request, found.others));
  const Binding& binding = *found.binding;
  const auto refused = [&](const Failure& failure) {
    binding.counter().add(failure.code());
    reply.send(error_response(failure));
  };
  const auto query = Query::parse(request.query);
  if (!query) return refused(query.error());
  const auto message = binding.request(path, *query, request);
  if (!message) return refused(message.error());
  Context context = context_of(request, *query, reply.thread());
  run(binding.method(), *service_, **message, std::move(context),
      [reply = std::move(reply), &binding, format = query->format,
       is_pretty = query->pretty](Outcome<std::unique_ptr<Method::Message>> outcome) mutable {
        binding.counter().add(outcome ? google::rpc::OK : outcome.error().code());
        reply.send(outcome ? json_response(**outcome, binding.response(), format, is_pretty)
                           : error_response(outcome.error()));
      });
}

std::optional<HttpResponse> Door::too_large(const HttpRequest&) {
  return error_response(google::rpc::INVALID_ARGUMENT,
                        "Request payload size exceeds the limit: " +
                            std::to_string(options_.request_bytes_max) + " bytes.");
}

Context Door::context_of(const HttpRequest& request, const Query& query,
                         const std::shared_ptr<HttpThread>& thread) const {
  Context context;
  context.thread = std::make_shared<HttpCallThread>(thread);
  if (const auto timeout = timeout_of(request))
    context.good_until = service_->clock.now().mono + *timeout;
  if (service_->options.access == nullptr) return context;
  context.credentials.authorization = request.header("authorization");
  if (context.credentials.authorization.empty() && !query.access_token.empty())
    context.credentials.authorization = "Bearer " + query.access_token;
  context.credentials.api_key = request.header("x-goog-api-key");
  if (context.credentials.api_key.empty()) context.credentials.api_key = query.api_key;
  return context;
}

}  // namespace deferd::cloudtasks::rest
