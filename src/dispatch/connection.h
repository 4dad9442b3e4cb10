// One connection to a target: opened for one attempt, kept for more, one attempt at a time.
//
//   resolving ─▶ connecting ─▶ (handshaking) ─▶ answering ─▶ idle ─▶ answering ─▶ ... ─▶ ended
//        └────────────┴──────────────┴───────────────┴────────┴──▶ ended
//
// run() lives from the first arrow to the last and nearly always waits in a read: an idle
// connection hears at once that its target closed it, and an attempt is put on it by writing,
// without waking anybody. What does not fit into the socket at once is written by a second
// coroutine.
//
// Invariants: 1. push() is not null while opening and answering, null while idle and after cut().
//             2. Only addresses that the guard was asked about are connected to.
//             3. The bytes being written stay alive until the writer has ended (payload_, head_).
//
// Used on the loop's thread only. The loop owns it and deletes it when run() has ended.
#pragma once

#include <boost/asio/ssl/stream.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "dispatch/answer_reader.h"
#include "dispatch/asio_types.h"
#include "dispatch/lookup_threads.h"

namespace deferd {

class PushLoop;
struct Push;
struct Target;

struct AllTag;
struct IdleOfTargetTag;
struct IdleByAgeTag;
template <class Tag>
using ConnectionHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>>;

class Connection : public ConnectionHook<AllTag>,
                   public ConnectionHook<IdleOfTargetTag>,
                   public ConnectionHook<IdleByAgeTag> {
 public:
  Connection(PushLoop& loop, Target& target, Push& first);

  // Ends when the connection has.
  Co<void> run();

  // Sends it now. Requires an idle connection.
  void carry(Push& push);
  // The push has been finished by the loop.
  void release() { push_ = nullptr; }
  // Closes; run() ends soon. Requires that no push is left on it.
  void cut();

  Target& target() const { return target_; }
  Push* push() const { return push_; }
  // What the attempt is waiting for: "connecting", "waiting for the answer".
  std::string_view stage() const { return stage_; }

  std::uint64_t served() const { return served_; }  // pushes that were answered on it

  // Why run() ended with a push, for its result.
  const std::string& failure() const { return failure_; }
  bool refused() const { return refused_; }  // by the guard, or not sendable
  // Reused, and closed by the target before it said a word: worth one more try.
  bool stale() const { return stale_; }

  Steady::time_point idle_since{};

 private:
  Co<bool> open();
  Co<bool> resolve(Addresses& addresses);
  Co<bool> connect(IpAddress address);
  Co<bool> handshake();
  Co<void> read_answers();
  Co<void> write_rest();

  void send();
  void write_failed(const ErrorCode& error);
  AnswerReader::State at_end(const ErrorCode& error);
  // Reports the answer in reader_; false: the connection is to end.
  bool report();
  std::string place(const IpAddress& address) const;

  PushLoop& loop_;
  Target& target_;
  Push* push_;
  std::string_view stage_ = "resolving the name";

  Socket socket_;
  std::unique_ptr<asio::ssl::stream<Socket&>> tls_;  // null: plain
  Timer wake_;                                       // bounds a wait, or is cancelled to end one
  bool cut_ = false;

  // What is written: head_ and the body in payload_.
  std::string head_;
  SharedBytes payload_;
  std::string_view body_;
  std::size_t written_ = 0;  // of head_ and body_
  int writers_ = 0;          // write_rest() that have not ended; more than one only while they end
  std::string write_error_;

  AnswerReader reader_;
  std::uint64_t served_ = 0;

  std::string failure_;
  bool refused_ = false;
  bool stale_ = false;
};

}  // namespace deferd
