"""A stand-in for the W&B server, as far as publishing a view and a report asks it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VIEWER = {"id": "u", "entity": "me", "username": "me", "email": "", "flags": "{}"}


@contextmanager
def wandb_server(
    refuse: str | None = None, headers: list[str] | None = None
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its address, and what it was given to store, as variables of the mutation, in order.

    Args:
        refuse: a message to answer to each attempt to store a view.
        headers: takes what each request says of who sends it.
    """
    stored: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if headers is not None:
                headers.append(self.headers.get("authorization", ""))
            body = self.rfile.read(int(self.headers["content-length"]))
            asked = json.loads(body) if self.path == "/graphql" else {}  # others are telemetry
            answer = reply(asked.get("query", ""), asked.get("variables") or {})
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    def reply(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertView" in query:
            if refuse:
                return {"errors": [{"message": refuse}], "data": None}
            stored.append(variables)
            view = {
                **{"id": f"view{len(stored)}", "description": "", "updatedAt": None},
                **{key: variables[key] for key in ("name", "displayName", "type", "spec")},
                "project": {
                    "name": variables["projectName"],
                    "entityName": variables["entityName"],
                },
            }
            return {"data": {"upsertView": {"view": view, "inserted": True}}}
        if "upsertModel" in query:
            stored.append(variables["input"])
            return {"data": {"result": {"project": None, "model": None, "inserted": True}}}
        if "models(" in query:
            page = {"hasNextPage": False, "endCursor": None}
            return {"data": {"models": {"edges": [], "pageInfo": page}}}
        return {"data": {"viewer": {**VIEWER, "teams": {"edges": []}}}}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", stored
    finally:
        server.shutdown()
        server.server_close()
