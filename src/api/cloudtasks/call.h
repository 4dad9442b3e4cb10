// A call of the service, whatever transport it came by. A transport gives it a thread and a
// deadline; the service gives the answer there, once.
#pragma once

#include <memory>
#include <utility>

#include "base/callback.h"
#include "base/time.h"

namespace deferd::cloudtasks {

// Where answers are made. Any thread may call; work runs in its order, or at once with several
// threads.
class CallThread {
 public:
  virtual ~CallThread() = default;
  virtual void post(Callback<void()> work) = 0;
};

struct Context {
  std::shared_ptr<CallThread> thread;
  Mono good_until = Mono::max();  // the caller waits no longer
};

}  // namespace deferd::cloudtasks
