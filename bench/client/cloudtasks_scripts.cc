// Callers of Cloud Tasks: CreateTask over gRPC and over REST. Over gRPC as much of HTTP/2 as one
// call after the other needs: requests are canned but for payload and stream, of answers is read
// whether they hold a message. So the caller costs a fraction of what gRPC's own client does, and
// the same for every server.

#include <string>
#include <utility>

#include "bench/client/http.h"
#include "bench/client/scripts.h"

namespace deferd::bench {
namespace {

// ---- Protocol buffers and HTTP/2, the writing side

void append_varint(std::string& out, std::uint64_t value) {
  for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
  out += static_cast<char>(value);
}

std::string field_head(int number, std::size_t bytes) {
  std::string out;
  append_varint(out, static_cast<std::uint64_t>(number) << 3 | 2);
  append_varint(out, bytes);
  return out;
}

std::string field(int number, std::string_view bytes) {
  return field_head(number, bytes.size()).append(bytes);
}

void append_number(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift);
}

enum FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  reset = 3,
  settings = 4,
  ping = 6,
  goaway = 7,
  window = 8
};
constexpr std::uint8_t end_stream = 1, ack = 1, end_headers = 4;
constexpr std::size_t frame_head_bytes = 9;

void append_frame_head(std::string& out, std::size_t bytes, std::uint8_t type, std::uint8_t flags,
                       std::uint32_t stream) {
  append_number(out, bytes, 3);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  append_number(out, stream, 4);
}

// A field that the server keeps in its table of headers (RFC 7541, 6.2.1): by the index of a name
// that it knows, or 0 and the name.
std::string kept_field(std::uint8_t name_index, std::string_view name, std::string_view value) {
  std::string out(1, static_cast<char>(0x40 | name_index));
  if (name_index == 0) out.append(1, static_cast<char>(name.size())).append(name);
  return out.append(1, static_cast<char>(value.size())).append(value);
}

class GrpcCreate final : public Script {
 public:
  explicit GrpcCreate(const ScriptOptions& options) : payload_bytes_(options.payload_bytes) {
    // CreateTaskRequest { parent = 1, task = 2 { http_request = 3 { url = 1, body = 4 } } }
    const std::string url = field(1, options.url);
    const std::string body = field_head(4, payload_bytes_);
    const std::size_t http_bytes = url.size() + body.size() + payload_bytes_;
    const std::string http = field_head(3, http_bytes);
    before_ = field(1, options.queue) + field_head(2, http.size() + http_bytes) + http + url + body;
  }

  // The first call says all headers, further ones where the server keeps them: as clients do.
  void say(std::string& out) override {
    std::string head;
    if (stream_ == 0) {
      out += "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
      append_frame_head(out, 0, settings, 0, 0);
      append_frame_head(out, 4, window, 0, 0);  // for all that is answered in any run
      append_number(out, 0x7fff0000 - 65535, 4);
      stream_ = 1;
      head = "\x83\x86" + kept_field(4, "", "/google.cloud.tasks.v2.CloudTasks/CreateTask") +
             kept_field(1, "", "bench") + kept_field(31, "", "application/grpc") +
             kept_field(0, "te", "trailers");
    } else {
      stream_ += 2;
      head = "\x83\x86\xc1\xc0\xbf\xbe";
    }
    append_frame_head(out, head.size(), headers, end_headers, stream_);
    out += head;
    const std::size_t message_bytes = before_.size() + payload_bytes_;
    append_frame_head(out, 5 + message_bytes, data, end_stream, stream_);
    out += '\0';
    append_number(out, message_bytes, 4);
    out += before_;
    out += next_payload(payload_bytes_);
    has_message_ = false;
  }

  Heard hear(std::string_view in, std::string& out) override {
    std::size_t at = 0;
    while (in.size() - at >= frame_head_bytes) {
      const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(in[at + i]); };
      const std::size_t bytes = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (in.size() - at < frame_head_bytes + bytes) break;
      const std::uint8_t type = byte(3);
      const std::uint8_t flags = byte(4);
      const std::string_view payload = in.substr(at + frame_head_bytes, bytes);
      at += frame_head_bytes + bytes;
      if (type == settings && (flags & ack) == 0) {
        append_frame_head(out, 0, settings, ack, 0);
      } else if (type == ping && (flags & ack) == 0) {
        append_frame_head(out, payload.size(), ping, ack, 0);
        out += payload;
      } else if (type == data) {
        has_message_ = has_message_ || bytes > 5;
      } else if (type == goaway || type == reset) {
        return done(at, "the server ended the call: " + std::string(payload));
      }
      if ((type == headers || type == data) && (flags & end_stream) != 0) {
        return done(at, has_message_ ? "" : "refused: " + std::string(payload));
      }
    }
    return {.bytes = at};
  }

 private:
  Heard done(std::size_t bytes, std::string error) {
    error_ = std::move(error);
    return {.bytes = bytes, .round_done = true, .tasks = error_.empty() ? 1U : 0U};
  }

  std::uint32_t payload_bytes_;
  std::string before_;  // the message but for the payload
  std::uint32_t stream_ = 0;
  bool has_message_ = false;
};

class RestCreate final : public Script {
 public:
  explicit RestCreate(const ScriptOptions& options) : payload_bytes_(options.payload_bytes) {
    before_ = R"({"task":{"httpRequest":{"url":")" + options.url + R"(","body":")";
    head_ = "POST /v2/" + options.queue +
            "/tasks HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: " +
            std::to_string(before_.size() + base64_bytes() + after.size()) + "\r\n\r\n";
  }

  void say(std::string& out) override {
    out += head_;
    out += before_;
    // Letters and digits are base64 too: each four of them are three bytes of the task.
    for (const char c : next_payload(base64_bytes())) out += c == '-' ? '+' : c == '_' ? '/' : c;
    out += after;
  }

  Heard hear(std::string_view in, std::string& /*out*/) override {
    const auto answer = parse_http(in);
    if (!answer) return {};
    error_ = http_status(answer->head) == 200 ? "" : std::string(answer->body.substr(0, 300));
    return {.bytes = answer->bytes, .round_done = true, .tasks = error_.empty() ? 1U : 0U};
  }

 private:
  static constexpr std::string_view after = R"("}}})";
  std::uint32_t base64_bytes() const { return payload_bytes_ / 3 * 4; }

  std::uint32_t payload_bytes_;
  std::string before_;
  std::string head_;
};

}  // namespace

std::unique_ptr<Script> grpc_create(const ScriptOptions& options) {
  return std::make_unique<GrpcCreate>(options);
}
std::unique_ptr<Script> rest_create(const ScriptOptions& options) {
  return std::make_unique<RestCreate>(options);
}

}  // namespace deferd::bench
