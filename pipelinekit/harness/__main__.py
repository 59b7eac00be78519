"""`python -m pipelinekit.harness`: a step process, started by a supervisor."""

import sys

from pipelinekit.harness.process import main

main(sys.argv[1:])
