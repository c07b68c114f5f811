"""A local server that speaks OpenAI's chat completions: answers, streams, and fails as it is told."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Cut(str):
    """An answer whose connection is closed before all of it was sent."""


@contextmanager
def chat_server(script):
    """Serve on a free port; each request takes the next of `script`, the last one again and again.

    A string is an answer, which breaks off half-way where it is a :class:`Cut`; a number is an HTTP status. Yields
    (base url, requests so far).
    """
    script, requests = list(script), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append(body)
            line = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(line, int):
                self._send(line, json.dumps({"error": {"message": f"status {line}", "type": "x"}}).encode())
            elif body.get("stream"):
                self._stream(line, whole=not isinstance(line, Cut))
            else:
                choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": line}}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                self._send(
                    200,
                    json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": usage}).encode(),
                    whole=not isinstance(line, Cut),
                )

        def _send(self, status, body, kind="application/json", whole=True):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if whole else body[: len(body) // 2])
            self.close_connection = not whole

        def _stream(self, text, whole=True):
            chunks = [
                {"role": "assistant", "content": ""},
                *({"content": text[i : i + 7]} for i in range(0, len(text), 7)),
            ]
            events = [{"index": 0, "delta": delta, "finish_reason": None} for delta in chunks]
            events.append({"index": 0, "delta": {}, "finish_reason": "stop"})
            lines = [json.dumps({**_HEAD, "object": "chat.completion.chunk", "choices": [event]}) for event in events]
            self._send(
                200, "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode(), "text/event-stream", whole
            )

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


_HEAD = {"id": "chat-1", "created": 1, "model": "local"}
