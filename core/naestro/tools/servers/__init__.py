"""Servers of tools that speak the Model Context Protocol: which there are, what is allowed of them, calling them."""
