"""The assistant as a service: HTTP, an OpenAI-compatible route, a chat page, MCP.

Where to begin to read: `composing` opens the parts of a configuration, `app` puts the routes over them, and `server`
listens, with `heads` to bound what it reads. A request goes through `front` (its number, the door, its body), with the
help of `callers` (who it is) and `admission` (whether there is room), into one of the `routes_…`. Those that answer go
on to `asking`, and to `streaming` where the answer is sent as it is made. `service` is what all of them share; `shapes`
are the bodies of requests, `replies` and `problems` those of answers and errors, `described` what openapi.json says of
them. `search_processes` searches beside the service, `mcp` is a door of its own.
"""
