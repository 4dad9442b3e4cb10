// The life of a server process: reads its settings, starts the server, and stops it cleanly on
// SIGTERM or SIGINT (a second one ends at once). SIGHUP reads anew the files that may change while
// it runs.
#pragma once

#include "server/server.h"

namespace deferd {

// To be called by main() before it starts any thread. The exit code: 0 after a clean stop, 1 when
// the server did not start, 2 when its settings are wrong.
int run_server(int argc, char** argv, Server::OpenStore open_store);

}  // namespace deferd
