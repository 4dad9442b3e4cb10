# The same tests over each of the client's transports.
foreach(transport grpc asyncio rest)
  cloudtasks_test(python_${transport}
                  COMMAND ${CLOUDTASKS_MADE}/python/venv/bin/python -m pytest -q -p no:cacheprovider --transport ${transport}
                          ${CMAKE_CURRENT_LIST_DIR})
endforeach()
