// What Firebase's Admin SDKs and command line call when CLOUD_TASKS_EMULATOR_HOST points here
// (CT-spec 15.9).
#pragma once

#include <cloudtasks/http.pb.h>

#include "api/cloudtasks/service.h"
#include "api/cloudtasks/versions.h"

namespace deferd::cloudtasks::rest {

// As v2's CreateTask; a task without a URL gets the default of its queue (default_url.h).
void create_firebase_task(Service& service, const V2::CreateTaskRequest& request,
                          const Context& context, Done<V2::Task> done);

// Makes the queue, or changes it, to what is given and Firebase's defaults of the rest.
void register_firebase_queue(Service& service, const FirebaseQueue& request, const Context& context,
                             Done<FirebaseQueueMade> done);

}  // namespace deferd::cloudtasks::rest
