# A test for each program *_test.js, which finds Google's clients by NODE_PATH.
file(GLOB programs ${CMAKE_CURRENT_LIST_DIR}/*_test.js)
foreach(program ${programs})
  get_filename_component(name ${program} NAME_WE)
  string(REPLACE _test "" name ${name})
  cloudtasks_test(node_${name} COMMAND node --test ${program})
  set_tests_properties(cloudtasks.node_${name} PROPERTIES ENVIRONMENT NODE_PATH=${CLOUDTASKS_MADE}/node/node_modules)
endforeach()
