"""Put pip into an empty venv, as ansible-test's own get-pip.py does, but from PyPI."""

from __future__ import annotations

import subprocess
import sys

packages = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
# In a process of its own: ensurepip turns pip's configuration off for the one that it runs in.
subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", *packages])
