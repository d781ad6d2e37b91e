"""Measurements, side by side in one run. They print figures and assert nothing."""

import os

# As in `tools.command_line`, before anything loads torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
