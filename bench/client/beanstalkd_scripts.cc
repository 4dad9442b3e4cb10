// Callers of beanstalkd, in the tube "default".

#include <charconv>

#include "bench/client/scripts.h"

namespace deferd::bench {
namespace {

class Put final : public Script {
 public:
  explicit Put(const ScriptOptions& options)
      : batch_(options.batch),
        payload_bytes_(options.payload_bytes),
        // priority, delay, time to run, bytes
        command_("put 1024 0 60 " + std::to_string(payload_bytes_) + "\r\n") {}

  void say(std::string& out) override {
    answers_left_ = batch_;
    error_.clear();
    for (std::uint32_t i = 0; i < batch_; ++i) {
      out += command_;
      out += next_payload(payload_bytes_);
      out += "\r\n";
    }
  }

  Heard hear(std::string_view in, std::string&) override {
    Heard heard;
    while (answers_left_ > 0) {
      const std::size_t end = in.find("\r\n", heard.bytes);
      if (end == std::string_view::npos) break;
      const std::string_view line = in.substr(heard.bytes, end - heard.bytes);
      if (!line.starts_with("INSERTED ")) error_ = line;
      heard.bytes = end + 2;
      --answers_left_;
    }
    heard.round_done = answers_left_ == 0;
    heard.tasks = error_.empty() ? batch_ : 0;
    return heard;
  }

 private:
  const std::uint32_t batch_;
  const std::uint32_t payload_bytes_;
  const std::string command_;
  std::uint32_t answers_left_ = 0;
};

// Reserves `batch` jobs; when the last has come, deletes them all. A reserve without a timeout
// waits for a job, so a round ends only when it has all of them.
class ReserveDelete final : public Script {
 public:
  explicit ReserveDelete(const ScriptOptions& options) : batch_(options.batch) {
    for (std::uint32_t i = 0; i < batch_; ++i) reserves_ += "reserve\r\n";
  }

  void say(std::string& out) override {
    reserves_left_ = batch_;
    deletes_left_ = batch_;
    deletes_.clear();
    error_.clear();
    out += reserves_;
  }

  Heard hear(std::string_view in, std::string& out) override {
    Heard heard;
    while (deletes_left_ > 0) {
      const std::size_t end = in.find("\r\n", heard.bytes);
      if (end == std::string_view::npos) return heard;
      const std::string_view line = in.substr(heard.bytes, end - heard.bytes);
      if (reserves_left_ == 0) {
        if (line != "DELETED") error_ = line;
        heard.bytes = end + 2;
        --deletes_left_;
        continue;
      }
      // RESERVED id bytes\r\n data\r\n
      constexpr std::string_view reserved = "RESERVED ";
      if (!line.starts_with(reserved)) {
        error_ = line;
        return {.bytes = end + 2, .round_done = true};
      }
      const std::size_t space = line.rfind(' ');
      std::size_t bytes = 0;
      std::from_chars(line.data() + space + 1, line.data() + line.size(), bytes);
      if (in.size() < end + 2 + bytes + 2) return heard;
      heard.bytes = end + 2 + bytes + 2;
      deletes_ += "delete ";
      deletes_ += line.substr(reserved.size(), space - reserved.size());
      deletes_ += "\r\n";
      if (--reserves_left_ == 0) out += deletes_;
    }
    heard.round_done = true;
    heard.tasks = error_.empty() ? batch_ : 0;
    return heard;
  }

 private:
  const std::uint32_t batch_;
  std::string reserves_;
  std::string deletes_;
  std::uint32_t reserves_left_ = 0;
  std::uint32_t deletes_left_ = 0;
};

}  // namespace

std::unique_ptr<Script> beanstalkd_producer(const ScriptOptions& options) {
  return std::make_unique<Put>(options);
}
std::unique_ptr<Script> beanstalkd_consumer(const ScriptOptions& options) {
  return std::make_unique<ReserveDelete>(options);
}

}  // namespace deferd::bench
