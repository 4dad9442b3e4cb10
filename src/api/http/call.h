// How a door awaits the runtime. The shard's thread only hands its result over; what follows
// (encoding the answer, sending it) runs on the connection's own thread. The shards are woken once
// for all the calls that the requests of one round of that thread make.
//
// Templates over the runtime and its commands, so that this room needs to know neither.
#pragma once

#include <memory>
#include <utility>

#include "api/http/http.h"
#include "base/callback.h"
#include "base/result.h"

namespace deferd {

template <class T>
struct ReplyType;
template <class T>
struct ReplyType<Callback<void(Result<T>)>> {
  using Answer = T;
};

// Submits `command`; `then(Result<T>)` runs on `thread`, once. Called on that thread. From
// `good_until` on it is not begun any more.
template <class Runtime, class Command, class Then>
void call_on(std::shared_ptr<HttpThread> thread, Runtime& runtime, Command command, Then then,
             Mono good_until = Mono::max()) {
  using Answer = typename ReplyType<decltype(command.reply)>::Answer;
  thread->after_round(&runtime, [&runtime] { runtime.flush(); });
  command.reply = [thread = std::move(thread),
                   then = std::move(then)](Result<Answer> result) mutable {
    HttpThread& home = *thread;
    // `thread` goes along: the reply that `then` holds needs it alive to be dropped.
    home.post([thread = std::move(thread), then = std::move(then),
               result = std::move(result)]() mutable { then(std::move(result)); });
  };
  if (good_until == Mono::max()) {
    runtime.enqueue(std::move(command));
  } else {
    runtime.enqueue_until(std::move(command), good_until);
  }
}

// The usual case: `then(HttpReply, Result<T>)` owes the answer.
template <class Runtime, class Command, class Then>
void call(Runtime& runtime, Command command, HttpReply reply, Then then) {
  std::shared_ptr<HttpThread> thread = reply.thread();
  call_on(std::move(thread), runtime, std::move(command),
          [reply = std::move(reply), then = std::move(then)](auto result) mutable {
            then(std::move(reply), std::move(result));
          });
}

}  // namespace deferd
