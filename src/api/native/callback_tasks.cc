#include "api/native/answers.h"
#include "api/native/native.h"
#include "engine/callbacks.h"
#include "model/push_request.h"

namespace deferd {
namespace {

class CallbackTasks final : public Callbacks {
 public:
  NewTask callback_for(const QueueName& queue, const Task& task,
                       const Outcome& outcome) const override {
    std::string body;
    JsonWriter json(body);
    native::write_outcome(json, queue, outcome, nullptr);
    PushRequestView request;
    request.url = task.options->callback_url;
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body;
    NewTask callback;
    callback.payload = share(encode(request));
    callback.has_target = true;
    return callback;
  }
};

}  // namespace

std::unique_ptr<Callbacks> make_native_callbacks() { return std::make_unique<CallbackTasks>(); }

}  // namespace deferd
