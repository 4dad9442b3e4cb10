// deferd-worker: runs a program for each task of a pull queue, each in a sandbox.
#include "worker/worker_cli.h"

int main(int argc, char** argv) { return deferd::run_worker(argc, argv); }
