"""The MCP server, driven by real clients."""
