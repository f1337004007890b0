# SPDX-License-Identifier: MIT
"""Importing this makes tests/check/tap.py importable."""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "check"))
