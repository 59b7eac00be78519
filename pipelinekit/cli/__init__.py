"""The command line: translates words to calls and records to text. One module for each noun."""

from pipelinekit import bundled

bundled.use()
