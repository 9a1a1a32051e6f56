"""A webhook on loopback that hears what Alertmanager would tell an operator: for tests and for a look.

with Receiver(lambda message: print(*message.lines(), sep="\\n")) as receiver:
    ...  # Alertmanager posts to receiver.address
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

__all__ = ["Alert", "Message", "Receiver"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a message."""

    status: Literal["firing", "resolved"]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the rule is called."""
        return self.labels["alertname"]


@dataclass(frozen=True, slots=True)
class Message:
    """What one receiver was told at once.

    Attributes:
        receiver: name of the receiver in `alertmanager.yml`.
        at_s: when it came, seconds since 1970.
    """

    receiver: str
    alerts: tuple[Alert, ...]
    at_s: float

    def lines(self) -> Iterator[str]:
        """The message as an operator may read it."""
        for alert in self.alerts:
            mark = "RESOLVED" if alert.status == "resolved" else alert.labels["severity"].upper()
            yield f"to {self.receiver}  {mark}  {alert.name}: {alert.annotations['summary']}"
            if alert.status == "firing":
                said = (alert.annotations.get(name, "") for name in ("description", "numbers"))
                yield from (f"    {text}" for text in said if text)
                yield f"    {alert.annotations['runbook_url']}"


class Receiver:
    """Listens between `with` and its end; `take` is called in a thread of the server, one message at a time."""

    def __init__(self, take: Callable[[Message], None]) -> None:
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                message = _message(body)
                with lock:
                    take(message)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing of each request."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    @property
    def address(self) -> str:
        """Where messages go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _message(body: Mapping[str, Any]) -> Message:
    alerts = (Alert(each["status"], each["labels"], each["annotations"]) for each in body["alerts"])
    return Message(body["receiver"], tuple(alerts), time.time())
