"""A Chroma server: another place for a store's vectors, shared by several machines."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qa.errors import StoreDamaged, StoreError

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI

_PATIENCE = 10.0  # seconds for the server's first word
_TIMEOUT = 120.0  # seconds for one request: a large batch takes its time


@dataclass(frozen=True, slots=True)
class ChromaServer:
    """Where a Chroma server is and what it wants to be told."""

    url: str
    token: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request; which of the two a server reads depends on its kind."""
        if self.token is None:
            return {}
        return {"Authorization": f"Bearer {self.token}", "X-Chroma-Token": self.token}

    def connect(self) -> "ClientAPI":
        """Return a client; raises StoreError when there is no server or it does not let us in."""
        self.check()
        import chromadb
        from chromadb.config import Settings

        parts = urlsplit(self.url)
        ssl = parts.scheme == "https"
        with self.faults():
            client = chromadb.HttpClient(
                host=self.url if parts.path.strip("/") else parts.hostname or "",
                port=parts.port or (443 if ssl else 80),
                ssl=ssl,
                headers=self.headers,
                settings=Settings(anonymized_telemetry=False),
            )
        # Chroma's client waits without end; a server that hangs must not take us with it.
        for session in _sessions(client):
            session.timeout = _TIMEOUT
        return client

    def check(self) -> None:
        """Raise StoreError unless the server answers soon; Chroma's client would wait for ever."""
        import urllib.error
        import urllib.request  # 0.05 s, and few have a server

        request = urllib.request.Request(  # noqa: S310 (Config lets only http and https through)
            f"{self.url.rstrip('/')}/api/v2/heartbeat", headers=self.headers
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310 (as above)
                pass
        except urllib.error.HTTPError as exc:
            exc.close()
            raise StoreError(self._refusal(exc.code)) from exc
        except OSError as exc:
            raise StoreError(self._silence(getattr(exc, "reason", exc))) from exc

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Translate what can go wrong while the server is asked."""
        try:
            yield
        except (StoreError, KeyboardInterrupt):
            raise
        except Exception as exc:
            kind = type(exc).__name__
            if kind == "NotFoundError" or "does not exist" in str(exc):
                raise StoreDamaged(self._missing()) from exc
            if kind in {"ChromaAuthError", "AuthorizationError"}:
                raise StoreError(self._refusal(403)) from exc
            raise StoreError(self._silence(exc)) from exc

    def _missing(self) -> str:
        return (
            f"The Chroma server at {self.url} does not have this store's vectors (it is another "
            "one, or another machine has rebuilt). Put them there with: qa rebuild"
        )

    def _refusal(self, code: int) -> str:
        if code in {401, 403}:
            return f"The Chroma server at {self.url} refuses us ({code}). Check QA_CHROMA_TOKEN."
        return f"What answers at {self.url} is no Chroma server ({code}). Check QA_CHROMA_URL."

    def _silence(self, why: object) -> str:
        return (
            f"The Chroma server at {self.url} does not answer ({why}). Start it with: chroma run "
            "--path FOLDER, or check QA_CHROMA_URL; unset, the vectors stay on this machine."
        )


def close_client(client: "ClientAPI") -> None:
    """Close a client of a server or a folder, its connections too, which Chroma leaves open."""
    sessions = _sessions(client)
    client.close()  # type: ignore[attr-defined]  # every client has it, the protocol does not
    for session in sessions:
        session.close()


def _sessions(client: "ClientAPI") -> "list[httpx.Client]":
    """Return the HTTP sessions within a client: its own, and one for tenants and databases."""
    owners = (client, getattr(client, "_admin_client", None))
    servers = (getattr(owner, "_server", None) for owner in owners)
    sessions = (getattr(server, "_session", None) for server in servers)
    return [session for session in sessions if session is not None]
