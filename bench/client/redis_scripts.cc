// Callers of raw Redis structures: a list, and a stream with a consumer group ("bench", made by the
// harness).

#include "bench/client/resp.h"
#include "bench/client/scripts.h"

namespace deferd::bench {
namespace {

void append_command(std::string& out, std::initializer_list<std::string_view> parts) {
  append_resp_array(out, parts.size());
  for (const std::string_view part : parts) append_resp_bulk(out, part);
}

// A round of `answers_wanted` pipelined commands, whose answers matter only when they are errors.
class Pipeline : public Script {
 public:
  Heard hear(std::string_view in, std::string&) override {
    Heard heard;
    while (answers_left_ > 0) {
      RespReader reader(in.substr(heard.bytes));
      if (!reader.skip()) break;
      if (in[heard.bytes] == '-' && error_.empty())
        error_ = in.substr(heard.bytes, reader.position());
      heard.bytes += reader.position();
      --answers_left_;
    }
    heard.round_done = answers_left_ == 0;
    heard.tasks = error_.empty() ? tasks_ : 0;
    return heard;
  }

 protected:
  void expect(std::uint32_t answers, std::uint32_t tasks) {
    answers_left_ = answers;
    tasks_ = tasks;
    error_.clear();
  }

 private:
  std::uint32_t answers_left_ = 0;
  std::uint32_t tasks_ = 0;
};

class ListPush final : public Pipeline {
 public:
  explicit ListPush(const ScriptOptions& options) : options_(options) {}

  void say(std::string& out) override {
    expect(1, options_.batch);
    append_resp_array(out, 2 + options_.batch);
    append_resp_bulk(out, "LPUSH");
    append_resp_bulk(out, options_.queue);
    for (std::uint32_t i = 0; i < options_.batch; ++i) {
      append_resp_bulk(out, next_payload(options_.payload_bytes));
    }
  }

 private:
  const ScriptOptions options_;
};

class StreamAdd final : public Pipeline {
 public:
  explicit StreamAdd(const ScriptOptions& options) : options_(options) {}

  void say(std::string& out) override {
    expect(options_.batch, options_.batch);
    for (std::uint32_t i = 0; i < options_.batch; ++i) {
      append_command(out, {"XADD", options_.queue, "*", "p", next_payload(options_.payload_bytes)});
    }
  }

 private:
  const ScriptOptions options_;
};

// Moves `batch` values, one command each, to a list of this worker; then deletes that list. A move
// from an empty list answers nil and counts nothing.
class ListMove final : public Script {
 public:
  ListMove(const ScriptOptions& options, std::uint32_t caller)
      : options_(options), taken_list_(options.queue + ":taken:" + std::to_string(caller)) {}

  void say(std::string& out) override {
    moves_left_ = options_.batch;
    moved_ = 0;
    error_.clear();
    for (std::uint32_t i = 0; i < options_.batch; ++i) {
      append_command(out, {"LMOVE", options_.queue, taken_list_, "RIGHT", "LEFT"});
    }
  }

  Heard hear(std::string_view in, std::string& out) override {
    RespReader reader(in);
    Heard heard;
    for (;;) {
      const RespReader::Value value = reader.next();
      if (value.kind == 0) return heard;
      heard.bytes = reader.position();
      if (value.kind == '-') error_ = value.text;
      if (moves_left_ == 0) {  // the answer to DEL
        heard.round_done = true;
        heard.tasks = error_.empty() ? moved_ : 0;
        return heard;
      }
      if (value.kind == '$' && value.number >= 0) ++moved_;
      if (--moves_left_ > 0) continue;
      append_command(out, {"DEL", taken_list_});
    }
  }

 private:
  const ScriptOptions options_;
  const std::string taken_list_;
  std::uint32_t moves_left_ = 0;
  std::uint32_t moved_ = 0;
};

class StreamRead final : public Script {
 public:
  StreamRead(const ScriptOptions& options, std::uint32_t caller)
      : options_(options), consumer_(std::to_string(caller)) {}

  void say(std::string& out) override {
    finish_left_ = 0;
    taken_ = 0;
    error_.clear();
    append_command(
        out, {"XREADGROUP", "GROUP", "bench", consumer_, "COUNT", std::to_string(options_.batch),
              "BLOCK", "1000", "STREAMS", options_.queue, ">"});
  }

  Heard hear(std::string_view in, std::string& out) override {
    Heard heard;
    while (true) {
      const std::string_view rest = in.substr(heard.bytes);
      RespReader whole(rest);
      if (!whole.skip()) return heard;
      heard.bytes += whole.position();
      if (rest.starts_with('-')) error_ = rest.substr(0, whole.position());
      if (finish_left_ == 0) {
        say_finish(rest.substr(0, whole.position()), out);
        heard.round_done = taken_ == 0;
        if (heard.round_done) return heard;
      } else if (--finish_left_ == 0) {
        heard.round_done = true;
        heard.tasks = error_.empty() ? taken_ : 0;
        return heard;
      }
    }
  }

 private:
  // The answer is [[stream, [[id, [field, value]], ...]]], or nil when nothing came in time.
  void say_finish(std::string_view answer, std::string& out) {
    RespReader reader(answer);
    if (reader.next().number <= 0) return;
    reader.next();  // [stream, entries]
    reader.next();  // stream
    taken_ = static_cast<std::uint32_t>(reader.next().number);
    ids_.clear();
    for (std::uint32_t i = 0; i < taken_; ++i) {
      reader.next();  // [id, fields]
      append_resp_bulk(ids_, reader.next().text);
      reader.skip();
    }
    append_resp_array(out, 3 + taken_);
    for (const std::string_view part :
         {std::string_view("XACK"), std::string_view(options_.queue), std::string_view("bench")}) {
      append_resp_bulk(out, part);
    }
    out += ids_;
    append_resp_array(out, 2 + taken_);
    append_resp_bulk(out, "XDEL");
    append_resp_bulk(out, options_.queue);
    out += ids_;
    finish_left_ = 2;
  }

  const ScriptOptions options_;
  const std::string consumer_;
  std::string ids_;
  std::uint32_t finish_left_ = 0;
  std::uint32_t taken_ = 0;
};

}  // namespace

std::unique_ptr<Script> redis_producer(const ScriptOptions& options) {
  if (options.target == Target::redis_list) return std::make_unique<ListPush>(options);
  return std::make_unique<StreamAdd>(options);
}

std::unique_ptr<Script> redis_consumer(const ScriptOptions& options, std::uint32_t caller) {
  if (options.target == Target::redis_list) return std::make_unique<ListMove>(options, caller);
  return std::make_unique<StreamRead>(options, caller);
}

}  // namespace deferd::bench
