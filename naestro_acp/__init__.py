"""The ACP agent: Naestro for every editor that speaks the Agent Client Protocol."""
