# Rooms: one library a folder of src/, each with an include root of its own.
#
#   room(engine base model)     src/engine may include engine/, base/ and model/; nothing else exists for it
#
# The include root of a room is a build folder that holds one link, named like the room. So an include of a
# room that was not named here is "no such file", and the room(...) lines are the architecture diagram.
# Files ending in _test.cc become one test program a room, ROOM_test, found by ctest; files ending in
# _fuzz.cc become a fuzzer each when DEFERD_FUZZ is on.

function(room name)
  cmake_parse_arguments(ROOM "" "DIR;TARGET" "USES;LIBS;TEST_USES;TEST_LIBS" ${ARGN})
  if(NOT ROOM_DIR)
    set(ROOM_DIR ${CMAKE_SOURCE_DIR}/src/${name})
  endif()
  string(REPLACE "/" "_" target ${name})
  if(ROOM_TARGET)  # when deferd_NAME is the name of a program
    set(target ${ROOM_TARGET})
  endif()
  set(root ${CMAKE_BINARY_DIR}/rooms/${target})
  get_filename_component(parent ${root}/${name} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${ROOM_DIR} ${root}/${name} SYMBOLIC)

  file(GLOB sources CONFIGURE_DEPENDS ${ROOM_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${sources})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz|_main|_bench)\\.cc$")

  set(uses "")
  foreach(use ${ROOM_USES})
    string(REPLACE "/" "_" use ${use})
    list(APPEND uses deferd_${use})
  endforeach()
  if(sources)
    add_library(deferd_${target} STATIC ${sources})
    target_include_directories(deferd_${target} PUBLIC ${root})
    target_link_libraries(deferd_${target} PUBLIC ${uses} PRIVATE ${ROOM_LIBS} deferd_flags)
  else()
    add_library(deferd_${target} INTERFACE)
    target_include_directories(deferd_${target} INTERFACE ${root})
    target_link_libraries(deferd_${target} INTERFACE ${uses} ${ROOM_LIBS})
  endif()

  set(test_uses "")
  foreach(use ${ROOM_TEST_USES})
    string(REPLACE "/" "_" use ${use})
    list(APPEND test_uses deferd_${use})
  endforeach()
  if(tests)
    add_executable(${target}_test ${tests})
    target_link_libraries(${target}_test PRIVATE deferd_${target} ${test_uses} ${ROOM_LIBS} ${ROOM_TEST_LIBS}
                          deferd_test_main deferd_flags)
    gtest_discover_tests(${target}_test TEST_PREFIX ${target}. DISCOVERY_TIMEOUT 60)
  endif()
  if(DEFERD_FUZZ)
    foreach(file ${fuzzers})
      get_filename_component(fuzzer ${file} NAME_WE)
      add_executable(${fuzzer} ${file})
      target_compile_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
      target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
      target_link_libraries(${fuzzer} PRIVATE deferd_${target} ${test_uses} ${ROOM_LIBS} deferd_flags)
      set_property(GLOBAL APPEND PROPERTY DEFERD_FUZZERS ${fuzzer})
    endforeach()
  endif()
endfunction()
