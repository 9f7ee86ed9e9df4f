"""The chat model: any OpenAI-compatible server, or a model file that llama.cpp runs."""
