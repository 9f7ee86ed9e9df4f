"""A chat model in a file: llama.cpp runs it in a child process on loopback."""
