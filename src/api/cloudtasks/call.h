// A call of the service, whatever transport it came by. A transport gives it a thread and a
// deadline; the service gives the answer there, once.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "auth/caller.h"
#include "base/callback.h"
#include "base/time.h"

namespace deferd::cloudtasks {

// Where answers are made. Any thread may call; work runs in its order, or at once with several
// threads.
class CallThread {
 public:
  virtual ~CallThread() = default;
  virtual void post(Callback<void()> work) = 0;
  // Runs `work` at once; or, called on a thread that works in rounds, once after this round for all
  // calls with the same key.
  virtual void after_round(const void* /*key*/, Callback<void()> work) { std::move(work)(); }
};

// What a caller shows of itself, as its transport carried it. Secret.
struct Credentials {
  std::string authorization;  // the header or the metadata of that name
  std::string api_key;        // x-goog-api-key, or the query's key
};

struct Context {
  std::shared_ptr<CallThread> thread;
  Mono good_until = Mono::max();  // the caller waits no longer
  Credentials credentials = {};
  CallerPointer caller = nullptr;  // whom run() found them to be of; null: authentication is off
};

}  // namespace deferd::cloudtasks
