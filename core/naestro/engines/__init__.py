"""Engines: what generates text, one interface, two adapters, and the local servers they run on."""
