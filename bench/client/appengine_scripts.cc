// App Engine's SDKs as callers: BulkAdd over /rpc_http, with the headers of the Python SDK. The
// envelope is canned but for the payload: only lengths are counted, and those are the same in every
// round.

#include <cstdint>
#include <string>
#include <utility>

#include "bench/client/http.h"
#include "bench/client/scripts.h"

namespace deferd::bench {
namespace {

void append_varint(std::string& out, std::uint64_t value) {
  for (; value > 0x7f; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

// The tag of a field with a length, and the length.
void append_length(std::string& out, std::uint32_t number, std::size_t bytes) {
  append_varint(out, number << 3 | 2);
  append_varint(out, bytes);
}

void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  append_length(out, number, bytes.size());
  out += bytes;
}

// How many results of the envelope `body` are OK: remote_api.Response.response holds a group for
// each task, `0b 10 CODE [1a LENGTH NAME] 0c`. Anything else, an error for one, counts as none.
std::uint32_t accepted(std::string_view body) {
  std::size_t at = 0;
  const auto byte = [&] { return at < body.size() ? static_cast<std::uint8_t>(body[at++]) : 0; };
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = static_cast<std::uint8_t>(byte());
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if (next <= 0x7f) break;
    }
    return value;
  };
  if (byte() != 0x0a || varint() != body.size() - at) return 0;
  std::uint32_t good = 0;
  while (at < body.size()) {
    if (byte() != 0x0b || byte() != 0x10) return 0;
    if (byte() == 0) ++good;
    std::uint8_t next = static_cast<std::uint8_t>(byte());
    if (next == 0x1a) {
      at += varint();
      next = static_cast<std::uint8_t>(byte());
    }
    if (next != 0x0c) return 0;
  }
  return good;
}

class BulkAdd final : public Script {
 public:
  explicit BulkAdd(const ScriptOptions& options)
      : batch_(options.batch), payload_bytes_(options.payload_bytes) {
    std::string fields;
    append_bytes(fields, 1, options.queue);    // queue_name
    append_bytes(fields, 2, "");               // task_name: chosen by the server
    fields += std::string("\x18\x00", 2);      // eta_usec: now
    append_bytes(fields, 4, options.url);      // url
    fields += "\x28\x02";                      // method: POST
    append_length(fields, 9, payload_bytes_);  // body
    append_length(before_, 1, fields.size() + payload_bytes_);
    before_ += fields;

    const std::size_t bulk_bytes = (before_.size() + payload_bytes_) * batch_;
    append_bytes(envelope_, 2, "taskqueue");
    append_bytes(envelope_, 3, "BulkAdd");
    append_bytes(envelope_, 5, "bench");  // the ticket
    append_length(envelope_, 4, bulk_bytes);
    head_ =
        "POST /rpc_http HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: identity\r\n"
        "X-Google-RPC-Service-Deadline: 60\r\nX-Google-RPC-Service-Endpoint: app-engine-apis\r\n"
        "X-Google-RPC-Service-Method: /VMRemoteAPI.CallRemoteAPI\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: " +
        std::to_string(envelope_.size() + bulk_bytes) + "\r\n\r\n";
  }

  void say(std::string& out) override {
    out += head_;
    out += envelope_;
    for (std::uint32_t i = 0; i < batch_; ++i) {
      out += before_;
      out += next_payload(payload_bytes_);
    }
  }

  Heard hear(std::string_view in, std::string&) override {
    const auto answer = parse_http(in);
    if (!answer) return {};
    const bool good = http_status(answer->head) == 200 && accepted(answer->body) == batch_;
    error_ = good ? std::string()
                  : std::string(answer->head.substr(0, answer->head.find("\r\n"))) + ": " +
                        std::string(answer->body.substr(0, 300));
    return {.bytes = answer->bytes, .round_done = true, .tasks = good ? batch_ : 0};
  }

 private:
  const std::uint32_t batch_;
  const std::uint32_t payload_bytes_;
  std::string head_;
  std::string envelope_;  // up to the first task
  std::string before_;    // of each task, up to its payload
};

}  // namespace

std::unique_ptr<Script> appengine_producer(const ScriptOptions& options) {
  return std::make_unique<BulkAdd>(options);
}

}  // namespace deferd::bench
