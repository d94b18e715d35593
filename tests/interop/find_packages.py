#!/usr/bin/env python3
"""Says which packages of requirements.txt are not there; exit code 1 where one is missing."""
import importlib.util
import pathlib
import sys

lines = (pathlib.Path(__file__).parent / "requirements.txt").read_text().splitlines()
names = [line.split("==")[0] for line in lines if "==" in line]
missing = [name for name in names if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(f"{sys.executable} has no " + ", ".join(missing))
