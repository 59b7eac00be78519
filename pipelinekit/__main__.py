"""`python -m pipelinekit`: the command line."""

from pipelinekit.cli.main import program

program()
