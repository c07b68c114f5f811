"""Real servers of tracing backends on loopback, each from an environment of its own.

`make backends` installs them and names their programs in CREDIT_HOOKS_PHOENIX and CREDIT_HOOKS_MLFLOW. Without these no
server is started, wherever one is installed: the whole suite is for every change, and servers take minutes.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import httpx


def program(name):
    """The server's program. None: not named, or not there."""
    named = os.environ.get(f"CREDIT_HOOKS_{name.upper()}", "")
    return named if Path(named).is_file() else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process that can be stopped and started again on the same port and data."""

    def __init__(self, name, folder):
        self.folder = folder
        self.log = folder / "server.log"
        port, other = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {"PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(other)}
        own |= {"PHOENIX_WORKING_DIR": str(folder), "PHOENIX_TELEMETRY_ENABLED": "false", "DO_NOT_TRACK": "true"}
        own |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        # the server has packages of its own: what this process imports is not for it
        self._environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | own
        mlflow = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        mlflow += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder)]
        self._command = [program(name), *(["serve"] if name == "phoenix" else mlflow)]
        self._health = self.url + ("/healthz" if name == "phoenix" else "/health")
        self._process = None

    def start(self):
        """Start, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(self._health, timeout=5).is_success:
                    return self
            except httpx.TransportError:
                time.sleep(0.2)
        tail = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{self._command[0]} did not answer at {self._health}:\n{tail}")

    def stop(self):
        """End the process and those it started."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, 15)
            process.wait(20)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
        process.wait()
