// What HTTP/JSON costs a CreateTask besides what gRPC would: the request from its path and JSON,
// and the answer to JSON; and what protobuf's own library takes for the same (docs/decisions/0015).
// ninja rest_bench && bin/rest_bench [REPEATS]
#include <google/protobuf/util/json_util.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "api/cloudtasks/rest/bindings.h"
#include "api/cloudtasks/rest/json_output.h"
#include "api/cloudtasks/rest/json_reader.h"
#include "api/cloudtasks/versions.h"

namespace {

using namespace deferd;
using namespace deferd::cloudtasks;

// Of this thread, whoever else runs.
double cpu_nanos() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
void measure(const char* name, int repeats, Work work) {
  for (int i = 0; i < repeats / 10; ++i) work();
  const double start = cpu_nanos();
  for (int i = 0; i < repeats; ++i) work();
  std::printf("%-28s %8.0f ns\n", name, (cpu_nanos() - start) / repeats);
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 200'000;
  const std::string path = "/v2/projects/my-project/locations/europe-west1/queues/mail/tasks";
  const std::string body =
      R"({"task":{"httpRequest":{"url":"https://example.com/work/items?kind=mail","httpMethod":"POST",)"
      R"("headers":{"Content-Type":"application/json","X-Request-Id":"7f1c9f0e"},)"
      R"("body":"eyJ1c2VyIjoxMjM0NTY3LCJraW5kIjoid2VsY29tZSIsImxhbmciOiJkZSJ9"},)"
      R"("scheduleTime":"2026-11-24T22:53:01.5Z"}})";
  cloudtasks::CallCounts counts;
  const rest::Bindings bindings(counts);
  HttpRequest http;
  http.method = "POST";
  http.path = path;
  http.body = body;
  const auto make = [&] {
    const rest::PathWords words = rest::PathWords::split(http.path);
    const auto found = bindings.find(words, http.method);
    auto request = found.binding->request(words, *rest::Query::parse(http.query), http);
    require(request.has_value());
    return std::move(*request);
  };
  measure("request of path and JSON", repeats, make);
  const auto request = make();
  const auto& create = static_cast<const V2::CreateTaskRequest&>(*request);
  measure("  JSON alone", repeats, [&] {
    static const rest::Shape& shape = rest::shape_of(*V2::CreateTaskRequest::descriptor());
    V2::CreateTaskRequest read;
    require(rest::read_json(body, shape, "", read).has_value());
  });
  measure("  by protobuf's library", repeats / 10, [&] {
    V2::CreateTaskRequest read;
    require(google::protobuf::util::JsonStringToMessage(body, &read).ok());
  });
  V2::Task task = create.task();
  task.set_name(
      "projects/my-project/locations/europe-west1/queues/mail/tasks/00001795885539134894");
  task.mutable_create_time()->set_seconds(1'795'560'781);
  task.mutable_dispatch_deadline()->set_seconds(600);
  task.set_view(V2::Task::BASIC);
  task.mutable_http_request()->clear_body();
  measure("answer to JSON", repeats, [&] {
    static const rest::Shape& shape = rest::shape_of(*V2::Task::descriptor());
    std::string out;
    rest::append_json(task, shape, {}, out);
    require(!out.empty());
  });
  measure("  by protobuf's library", repeats / 10, [&] {
    std::string out;
    require(google::protobuf::util::MessageToJsonString(task, &out).ok());
  });
  return 0;
}
