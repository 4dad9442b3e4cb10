// HTTP callers: any server, and deferd's /v1. Requests are canned but for the payload, so that the
// driver costs little.

#include <utility>
#include <vector>

#include "bench/client/http.h"
#include "bench/client/scripts.h"

namespace deferd::bench {
namespace {

void append_post(std::string& out, std::string_view path, std::size_t body_bytes) {
  out += "POST ";
  out += path;
  out += " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ";
  out += std::to_string(body_bytes);
  out += "\r\n\r\n";
}

std::string describe(const HttpMessage& answer) {
  return std::string(answer.head.substr(0, answer.head.find("\r\n"))) + ": " +
         std::string(answer.body.substr(0, 300));
}

bool good(const HttpMessage& answer) {
  const int status = http_status(answer.head);
  return status >= 200 && status < 300;
}

// A call about many tasks answers 200 with a result for each; a refused one carries an "error".
bool all_accepted(std::string_view body) {
  return body.find("\"error\":{") == std::string_view::npos;
}

// Any round of one request and one answer.
class Call : public Script {
 public:
  Heard hear(std::string_view in, std::string&) override {
    const auto answer = parse_http(in);
    if (!answer) return {};
    error_ = good(*answer) && all_accepted(answer->body) ? std::string() : describe(*answer);
    return {.bytes = answer->bytes, .round_done = true, .tasks = error_.empty() ? tasks_ : 0};
  }

 protected:
  explicit Call(std::uint32_t tasks) : tasks_(tasks) {}

 private:
  std::uint32_t tasks_;
};

class HttpPost final : public Call {
 public:
  explicit HttpPost(const ScriptOptions& options)
      : Call(1), path_(options.path), payload_bytes_(options.payload_bytes) {}

  void say(std::string& out) override {
    append_post(out, path_, payload_bytes_);
    out += next_payload(payload_bytes_);
  }

 private:
  std::string path_;
  std::uint32_t payload_bytes_;
};

class DeferdAdd final : public Call {
 public:
  explicit DeferdAdd(const ScriptOptions& options)
      : Call(options.batch), batch_(options.batch), payload_bytes_(options.payload_bytes) {
    path_ = "/v1/queues/" + options.queue + (batch_ == 1 ? "/tasks" : "/tasks:batch");
    before_ = "{";
    if (!options.url.empty()) before_ += "\"url\":\"" + options.url + "\",";
    if (!options.delay.empty()) before_ += "\"delay\":\"" + options.delay + "\",";
    before_ += "\"body\":\"";
  }

  void say(std::string& out) override {
    static constexpr std::string_view after = "\"}";
    static constexpr std::string_view open = "{\"tasks\":[";
    static constexpr std::string_view close = "]}";
    const std::size_t task_bytes = before_.size() + payload_bytes_ + after.size();
    const std::size_t commas = batch_ - 1;
    const std::size_t frame = batch_ == 1 ? 0 : open.size() + close.size();
    append_post(out, path_, task_bytes * batch_ + commas + frame);
    if (batch_ > 1) out += open;
    for (std::uint32_t i = 0; i < batch_; ++i) {
      if (i > 0) out += ',';
      out += before_;
      out += next_payload(payload_bytes_);
      out += after;
    }
    if (batch_ > 1) out += close;
  }

 private:
  std::uint32_t batch_;
  std::uint32_t payload_bytes_;
  std::string path_;
  std::string before_;
};

// A round is a lease and the ack of what it gave.
class DeferdLeaseAck final : public Script {
 public:
  explicit DeferdLeaseAck(const ScriptOptions& options)
      : lease_path_("/v1/queues/" + options.queue + "/tasks:lease"),
        ack_path_("/v1/queues/" + options.queue + "/tasks:ack"),
        lease_body_("{\"max\":" + std::to_string(options.batch) +
                    ",\"lease\":\"60s\",\"wait\":\"1s\"}") {}

  void say(std::string& out) override {
    acking_ = false;
    append_post(out, lease_path_, lease_body_.size());
    out += lease_body_;
  }

  Heard hear(std::string_view in, std::string& out) override {
    const auto answer = parse_http(in);
    if (!answer) return {};
    const bool accepted = !acking_ || all_accepted(answer->body);
    error_ = good(*answer) && accepted ? std::string() : describe(*answer);
    if (!error_.empty()) return {.bytes = answer->bytes, .round_done = true};
    if (acking_) return {.bytes = answer->bytes, .round_done = true, .tasks = leased_};
    say_ack(answer->body, out);
    // Nothing came within the wait: the round is over without a task.
    return {.bytes = answer->bytes, .round_done = leased_ == 0};
  }

 private:
  // A JSON value that holds no other, from the front of `text`: a string with its quotes, or a
  // number.
  static std::string_view scalar(std::string_view text) {
    if (text.starts_with('"')) return text.substr(0, text.find('"', 1) + 1);
    return text.substr(0, text.find_first_of(",}"));
  }

  // Ids and tokens stand beside each other in each task of the answer; payloads are letters alone,
  // so that no quoted name can stand in one.
  void say_ack(std::string_view tasks, std::string& out) {
    static constexpr std::string_view id = "\"id\":";
    static constexpr std::string_view token = "\"lease_token\":";
    leased_ = 0;
    ack_body_ = "{\"tasks\":[";
    std::size_t id_at = 0;
    std::size_t token_at = 0;
    while ((id_at = tasks.find(id, id_at)) != std::string_view::npos &&
           (token_at = tasks.find(token, token_at)) != std::string_view::npos) {
      id_at += id.size();
      token_at += token.size();
      if (leased_ > 0) ack_body_ += ',';
      ack_body_ += "{\"id\":";
      ack_body_ += scalar(tasks.substr(id_at));
      ack_body_ += ",\"lease_token\":";
      ack_body_ += scalar(tasks.substr(token_at));
      ack_body_ += '}';
      ++leased_;
    }
    if (leased_ == 0) return;
    ack_body_ += "]}";
    acking_ = true;
    append_post(out, ack_path_, ack_body_.size());
    out += ack_body_;
  }

  const std::string lease_path_;
  const std::string ack_path_;
  const std::string lease_body_;
  std::string ack_body_;
  bool acking_ = false;
  std::uint32_t leased_ = 0;
};

}  // namespace

std::unique_ptr<Script> http_post(const ScriptOptions& options) {
  return std::make_unique<HttpPost>(options);
}
std::unique_ptr<Script> deferd_producer(const ScriptOptions& options) {
  return std::make_unique<DeferdAdd>(options);
}
std::unique_ptr<Script> deferd_consumer(const ScriptOptions& options) {
  return std::make_unique<DeferdLeaseAck>(options);
}

}  // namespace deferd::bench
