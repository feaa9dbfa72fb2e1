"""What a relay loads: built-in modules and itself, since one runs for each window of each editor."""

import os
import subprocess
import sys

ALLOWED = {"_json", "_socket", "fcntl", "select", "naestro", "naestro.relay"}
OWN = {f"naestro.relay.{name}" for name in ("lines", "memory", "places", "pump", "start")}
CODE = """
import sys
before = set(sys.modules)
import naestro.relay.pump
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def test_a_relay_loads_nothing_but_itself_and_what_is_built_in() -> None:
    """Without the coverage program, which loads modules of its own."""
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    loaded = set(done.stdout.split())
    assert loaded - ALLOWED == OWN
