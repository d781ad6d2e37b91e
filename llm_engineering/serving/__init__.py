"""The assistant as a service: HTTP, an OpenAI-compatible route, a chat page, MCP."""
