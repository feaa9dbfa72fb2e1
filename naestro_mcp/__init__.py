"""The MCP server: Naestro's tools for every program that speaks the Model Context Protocol."""
