cloudtasks_test(fastapi COMMAND ${CLOUDTASKS_MADE}/libraries/venv/bin/python -m pytest -q -p no:cacheprovider
                                ${CMAKE_CURRENT_LIST_DIR}/test_fastapi.py)
cloudtasks_test(nest COMMAND node --test ${CMAKE_CURRENT_LIST_DIR}/nest_test.js)
set_tests_properties(cloudtasks.nest PROPERTIES ENVIRONMENT NODE_PATH=${CLOUDTASKS_MADE}/libraries/node_modules)
