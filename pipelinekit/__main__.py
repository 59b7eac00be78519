"""`python -m pipelinekit`: the command line."""

import sys

from pipelinekit.cli.main import main

sys.exit(main())
