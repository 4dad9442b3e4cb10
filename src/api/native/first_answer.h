// For calls that name one task, carried out by commands that take many.
#pragma once

#include <utility>
#include <vector>

#include "api/native/answers.h"
#include "api/native/door.h"

namespace deferd::native {

inline auto then_send_first_task(QueueAddress name) {
  return
      [name = std::move(name)](HttpReply reply, const Result<std::vector<Result<TaskInfo>>>& done) {
        if (!done) return send_error(std::move(reply), done.error(), name);
        const Result<TaskInfo>& info = done->front();
        if (!info) return send_error(std::move(reply), info.error(), name);
        std::string body;
        JsonWriter json(body);
        write_task(json, name, info->task, info->state, TaskView::basic);
        send_json(std::move(reply), 200, std::move(body));
      };
}

inline auto then_send_first_done(QueueAddress name) {
  return [name = std::move(name)](HttpReply reply, const Result<std::vector<Result<void>>>& done) {
    if (!done) return send_error(std::move(reply), done.error(), name);
    if (!done->front()) return send_error(std::move(reply), done->front().error(), name);
    send_json(std::move(reply), 204, {});
  };
}

}  // namespace deferd::native
