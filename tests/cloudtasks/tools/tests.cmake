set(TOOLS_PYTEST ${PYTHON} -m pytest -q -rs -p no:cacheprovider)
cloudtasks_test(terraform COMMAND ${TOOLS_PYTEST} ${CMAKE_CURRENT_LIST_DIR}/test_terraform.py)
# gcloud comes from Google alone, so ./dev does not install it; where it is, it is tested.
cloudtasks_test(gcloud COMMAND ${TOOLS_PYTEST} ${CMAKE_CURRENT_LIST_DIR}/test_gcloud.py)
set_tests_properties(cloudtasks.gcloud PROPERTIES TIMEOUT 600 RUN_SERIAL OFF SKIP_REGULAR_EXPRESSION "gcloud is not installed")
