// A call that may wait. Two may answer it: the runtime, and the end of the connection. Both run on
// the connection's thread, and who comes first takes the reply. A caller that has only half-closed
// gets its answer.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "api/http/call.h"

namespace deferd::native {

// `send(HttpReply, Result<T>)` owes the answer; of a caller that has gone it is `when_gone`. What
// comes after that goes to `late(const std::shared_ptr<HttpThread>&, const Result<T>&)`.
template <class Runtime, class Command, class T, class Send, class Late>
void long_poll(Runtime& runtime, Command command, HttpReply reply, Result<T> when_gone, Send send,
               Late late) {
  if (command.wait == Micros(0))
    return call(runtime, std::move(command), std::move(reply), std::move(send));
  command.gone = std::make_shared<std::atomic<bool>>(false);
  auto waiting = std::make_shared<std::optional<HttpReply>>(std::move(reply));
  const std::shared_ptr<HttpThread> thread = (*waiting)->thread();
  const auto answer = [waiting, send = std::move(send)](const Result<T>& result) {
    if (!*waiting) return false;
    HttpReply taken = std::move(**waiting);
    waiting->reset();
    send(std::move(taken), result);
    return true;
  };
  (*waiting)->when_gone([gone = command.gone, answer, when_gone = std::move(when_gone)] {
    gone->store(true);
    answer(when_gone);
  });
  call_on(thread, runtime, std::move(command),
          [answer, thread, late = std::move(late)](const Result<T>& result) {
            if (!answer(result)) late(thread, result);
          });
}

}  // namespace deferd::native
