"""What every store of runs must keep, as suites that take the store from outside."""
