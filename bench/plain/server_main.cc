// deferd over the plain layout: the whole server, to be measured beside deferd (bench/harness).
#include "bench/plain/plain.h"
#include "server/run.h"

int main(int argc, char** argv) { return deferd::run_server(argc, argv, deferd::open_plain); }
