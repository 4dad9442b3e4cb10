cloudtasks_test(java COMMAND java -cp ${CLOUDTASKS_MADE}/java/classes:${CLOUDTASKS_MADE}/java/jars/*
                     org.junit.runner.JUnitCore V2Test V2Beta3Test V2Beta2Test GuideTest WORKING_DIRECTORY ${ROOT})
