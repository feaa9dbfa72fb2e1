"""Runs: the journal of events, durable steps, interrupts, fork and replay. Knows no engine and no council."""
