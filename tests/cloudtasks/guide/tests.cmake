cloudtasks_test(guide COMMAND ${PYTHON} -m pytest -q -p no:cacheprovider ${CMAKE_CURRENT_LIST_DIR}/test_guide.py)
