// main() of every unit test program: prints the seed that randomness in tests starts from.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/testing/seed.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::printf("DEFERD_SEED=%llu replays the random choices of this run\n",
              static_cast<unsigned long long>(deferd::test_seed()));
  return RUN_ALL_TESTS();
}
