"""A chat model in a file: llama.cpp runs it in a process beside the program, on loopback."""

from qa.local.chat import LocalChat
from qa.local.model import LocalModel
from qa.local.model_file import ModelFile, is_model_file

__all__ = ["LocalChat", "LocalModel", "ModelFile", "is_model_file"]
