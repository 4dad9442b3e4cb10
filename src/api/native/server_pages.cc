#include "api/http/json_writer.h"
#include "api/native/door.h"

namespace deferd::native {
namespace {

std::string health_json(const Health& health) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("status", health.ready ? "ok" : "failed");
  if (!health.ready) json.member("reason", health.reason);
  json.end_object();
  return body;
}

}  // namespace

// 200 as long as the process can answer, so that a supervisor does not kill a server whose disk is
// full and which is still telling why; the body tells the truth, and so does the status of /readyz.
void NativeDoor::healthz(Call call) {
  send_json(std::move(call.reply), 200,
            health_json(options_.health ? options_.health() : Health{}));
}

void NativeDoor::readyz(Call call) {
  const Health health = options_.health ? options_.health() : Health{};
  send_json(std::move(call.reply), health.ready ? 200 : 503, health_json(health));
}

void NativeDoor::metrics(Call call) {
  HttpResponse response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  if (options_.metrics_text) response.body = options_.metrics_text();
  call.reply.send(std::move(response));
}

void NativeDoor::config(Call call) {
  send_json(std::move(call.reply), 200, options_.config_json ? options_.config_json() : "{}");
}

}  // namespace deferd::native
