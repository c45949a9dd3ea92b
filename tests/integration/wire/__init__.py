# SPDX-License-Identifier: MIT
"""The scenarios of run_wire.py, one module for each part of protocol.md."""
