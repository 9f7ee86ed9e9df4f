"""The corpus as a server for assistants, by the Model Context Protocol: `qa mcp`."""
