"""The command line with leases of another length: `hurried.py SECONDS words of the command`."""

import sys

from pipelinekit.cli.main import main
from pipelinekit.runtime import turns
from pipelinekit.storage import leases

if __name__ == "__main__":
    leases.LEASE_SECONDS = float(sys.argv[1])
    turns.HEARTBEAT_SECONDS = leases.LEASE_SECONDS / 6
    sys.exit(main(sys.argv[2:]))
