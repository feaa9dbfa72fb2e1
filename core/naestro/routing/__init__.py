"""Routing: which engine takes which seat, why, and when it may be called."""
