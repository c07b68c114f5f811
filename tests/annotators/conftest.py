"""A backend on loopback that says what it is told to, and remembers what it was asked."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from credit_hooks.testing import sample_run

VARIABLES = (
    "PHOENIX_API_KEY", "PHOENIX_CLIENT_HEADERS", "PHOENIX_COLLECTOR_ENDPOINT", "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "LANGFUSE_PUBLIC_KEY",
    "LANGFUSE_SECRET_KEY", "LANGFUSE_HOST", "LANGFUSE_BASE_URL", "LANGSMITH_API_KEY", "LANGSMITH_ENDPOINT",
    "LANGSMITH_WORKSPACE_ID", "OPIK_API_KEY", "OPIK_WORKSPACE", "OPIK_URL_OVERRIDE", "OPIK_PROJECT_NAME",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy",
)  # fmt: skip


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeBackend:
    """Answers each request by `answer(request)`: a status, or (status, headers, body)."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answer: Any = staticmethod(lambda request: 200)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def backend():
    fake = FakeBackend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            size = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(size)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, json.loads(raw) if raw else None)
            fake.requests.append(request)
            answer = fake.answer(request)
            status, extra, body = answer if isinstance(answer, tuple) else (answer, {}, {})
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", "content-length": str(len(data)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = handle_any

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


def renamed(run, run_id, trace=None):
    """The same run under another id, and in another trace."""
    steps = tuple(
        step.model_copy(update={"trace_id": step.trace_id if trace is None else f"{trace:032x}"})
        for step in run.trajectory.steps
    )
    trajectory = run.trajectory.model_copy(update={"id": run_id, "steps": steps})
    credit = run.credit.model_copy(update={"trajectory_id": run_id})
    return run.model_copy(update={"trajectory": trajectory, "credit": credit})


def rescored(run, factor):
    """The same run with other rewards."""
    rewards = tuple(
        reward.model_copy(update={"reward": None if reward.reward is None else reward.reward * factor})
        for reward in run.credit.messages
    )
    agents = {actor: credit * factor for actor, credit in run.credit.agents.items()}
    return run.model_copy(update={"credit": run.credit.model_copy(update={"messages": rewards, "agents": agents})})


@pytest.fixture
def run():
    return sample_run()


@pytest.fixture
def rename():
    return renamed


@pytest.fixture
def rescore():
    return rescored


@dataclass
class Receiver:
    url: str = ""
    received: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def otlp_receiver():
    """Takes OTLP over HTTP and keeps what came, decompressed."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.received.append((self.path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join()
