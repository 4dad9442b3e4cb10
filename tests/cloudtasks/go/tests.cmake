cloudtasks_test(go COMMAND ${CLOUDTASKS_MADE}/go/client_test -test.run /gRPC WORKING_DIRECTORY ${CMAKE_CURRENT_LIST_DIR})
