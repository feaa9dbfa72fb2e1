"""The ACP agent, driven by real clients."""
