# SPDX-License-Identifier: GPL-3.0-or-later
"""peak.py COMMAND...: runs it, then says on stderr how much memory it had."""
import os
import sys

pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(f"peak {usage.ru_maxrss} KiB", file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
