"""A model in a file, ready to be asked: llama.cpp is started when the first call needs it."""

import threading

from qa.llm.limits import Limits
from qa.llm.llama_cpp.capacity import Capacity
from qa.llm.llama_cpp.chat import LocalChat
from qa.llm.llama_cpp.model_file import ModelFile, megabytes
from qa.llm.llama_cpp.server import LocalServer, require_llama


class LocalModel:
    """One model for any number of questions, also from several threads, until it is closed."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self._capacity = Capacity.of(file)
        self._server: LocalServer | None = None
        self._lock = threading.Lock()

    @classmethod
    def find(cls, name: str) -> "LocalModel":
        """The model of the file that the setting names; nothing is started yet.

        Raises ConfigError if there is none, if it is no chat model, or without llama.cpp.
        """
        file = ModelFile.find(name)
        require_llama()
        return cls(file)

    @property
    def name(self) -> str:
        """What answers call the model."""
        return self.file.name

    def describe(self) -> str:
        """The model, its file and what it gets of the machine, in a line."""
        context = f"{self._capacity.context:,} tokens of context"
        where = f"{self.file.path.absolute()}, {megabytes(self.file.size)}"
        return f"{self.name}, run here by llama.cpp ({where}; {context})"

    def chat(self, limits: Limits | None) -> LocalChat:
        """A new client, to be closed after use; its first call starts the server."""
        context = self._capacity.context
        return LocalChat(self.name, self._serving, context=context, limits=limits)

    def close(self) -> None:
        """End the server."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    async def _serving(self) -> LocalServer:
        with self._lock:
            if self._server is None or self._server.ended:
                self._server = LocalServer(self.file, self._capacity)
            server = self._server
        await server.ready()
        return server
