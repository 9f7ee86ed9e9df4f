"""A Chroma server: a place for a store's vectors that several machines can share."""

import contextlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from qa.errors import StoreDamaged, StoreError
from qa.index.layout import REBUILD, StoreLayout, replace_file

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI


_OK, _NOT_FOUND = 200, 404  # of http.HTTPStatus, which takes 0.1 s to import
_CLOUD = ".trychroma.com"
_CLOUD_QUOTA = 300  # records in one request to Chroma Cloud, unless its support has raised it
_CHECK_TIMEOUT = 10.0  # seconds for a server to say that it is there
_REQUEST_TIMEOUT = 120.0  # seconds for one request, which may bring a large batch
_COLLECTIONS_KEPT = 2  # the live one, and the one before: another machine may still ask it


@dataclass(frozen=True, slots=True)
class ChromaServer:
    """Where a Chroma server is, and what it needs to let us in."""

    url: str
    token: str | None = field(default=None, repr=False)
    tenant: str | None = None  # neither given: those of the token, or the server's defaults
    database: str | None = None

    @property
    def max_records(self) -> int | None:
        """How many records one request may bring or get back; None: no limit of interest."""
        host = urlsplit(self.url).hostname or ""
        return _CLOUD_QUOTA if f".{host}".endswith(_CLOUD) else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request; servers differ in which of the two they read."""
        if self.token is None:
            return {}
        return {"Authorization": f"Bearer {self.token}", "X-Chroma-Token": self.token}

    def connect(self) -> "ClientAPI":
        """Return a client; raises StoreError where there is no server or it refuses us."""
        self.check()
        with self.translate_errors():
            client = self._client()
        # Without this Chroma's client would wait without end for a server that hangs.
        for session in _sessions(client):
            session.timeout = _REQUEST_TIMEOUT
        return client

    def _client(self) -> "ClientAPI":
        import chromadb
        from chromadb.config import Settings

        parts = urlsplit(self.url)
        ssl = parts.scheme == "https"
        return chromadb.HttpClient(
            host=self.url if parts.path.strip("/") else parts.hostname or "",
            port=parts.port or (443 if ssl else 80),
            ssl=ssl,
            headers=self.headers,
            tenant=self._tenant,
            database=self._database,
            settings=Settings(
                anonymized_telemetry=False,
                # Take the tenant and the database that the token is for.
                chroma_overwrite_singleton_tenant_database_access_from_auth=(
                    self.token is not None and self.tenant is None and self.database is None
                ),
            ),
        )

    def check(self) -> None:
        """Raise StoreError unless the server answers soon and has the tenant and the database.

        Chroma's client waits without end for a silent server, and leaves a connection open where
        the tenant or the database is missing.
        """
        code = self._status("heartbeat")
        if code != _OK:
            raise StoreError(self._refusal(code))
        if self.tenant is None and self.database is None:
            return
        code = self._status(f"tenants/{quote(self._tenant)}/databases/{quote(self._database)}")
        if code == _NOT_FOUND:
            raise StoreError(self._no_database())
        if code != _OK:
            raise StoreError(self._refusal(code))

    @property
    def _tenant(self) -> str:
        return self.tenant or "default_tenant"

    @property
    def _database(self) -> str:
        return self.database or "default_database"

    def _status(self, path: str) -> int:
        """Return the HTTP status of a request; raises StoreError if there is no answer."""
        import urllib.error
        import urllib.request  # 0.05 s, and few have a server

        request = urllib.request.Request(  # noqa: S310 (Config lets only http and https through)
            f"{self.url.rstrip('/')}/api/v2/{path}", headers=self.headers
        )
        try:
            with urllib.request.urlopen(request, timeout=_CHECK_TIMEOUT) as reply:  # noqa: S310 (as above)
                return int(reply.status)
        except urllib.error.HTTPError as exc:
            exc.close()
            return exc.code
        except OSError as exc:
            raise StoreError(self._no_answer(getattr(exc, "reason", exc))) from exc

    @contextlib.contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Translate what can go wrong while the server is asked."""
        try:
            yield
        except StoreError:
            raise
        except Exception as exc:
            kind = type(exc).__name__
            if kind == "NotFoundError" or "does not exist" in str(exc):
                raise StoreDamaged(self._missing(), hint=REBUILD) from exc
            if kind in {"ChromaAuthError", "AuthorizationError"}:
                raise StoreError(self._refusal(403)) from exc
            raise StoreError(self._no_answer(exc)) from exc

    def _missing(self) -> str:
        return (
            f"The Chroma server at {self.url} does not have this store's vectors (it is another "
            "one, or another machine has rebuilt). A rebuild puts them there."
        )

    def _no_database(self) -> str:
        return (
            f"The Chroma server at {self.url} has no tenant {self._tenant} with a database "
            f"{self._database}. Check QA_CHROMA_TENANT and QA_CHROMA_DATABASE."
        )

    def _refusal(self, code: int) -> str:
        if code in {401, 403}:
            check = "Check QA_CHROMA_TOKEN" + (" and QA_CHROMA_TENANT." if self.tenant else ".")
            return f"The Chroma server at {self.url} refuses us ({code}). {check}"
        return f"What answers at {self.url} is no Chroma server ({code}). Check QA_CHROMA_URL."

    def _no_answer(self, why: object) -> str:
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


def note_collection(layout: StoreLayout, name: str) -> None:
    """Write down a collection's name before it is made, as the latest."""
    names = [known for known in _noted(layout) if known != name]
    _write(layout, [*names, name])


def remove_old_collections(
    layout: StoreLayout, server: ChromaServer, *, kept: int = _COLLECTIONS_KEPT
) -> None:
    """Remove all but the last ones from the server, unfinished ones among them."""
    names = _noted(layout)
    first_kept = max(0, len(names) - kept)
    old = names[:first_kept]
    if not old:
        return
    client = server.connect()
    try:
        for name in old:
            with suppress(StoreDamaged), server.translate_errors():  # it is gone already
                client.delete_collection(name)
    finally:
        close_client(client)
    _write(layout, names[first_kept:])


def _noted(layout: StoreLayout) -> list[str]:
    try:
        return layout.collections.read_text("ascii").split()
    except FileNotFoundError:
        return []


def _write(layout: StoreLayout, names: list[str]) -> None:
    replace_file(layout.collections, "".join(f"{name}\n" for name in names).encode("ascii"))
