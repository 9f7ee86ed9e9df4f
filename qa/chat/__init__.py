"""The chat model: one client for OpenAI and every server that speaks its protocol."""

from qa.chat.client import OpenAIChat
from qa.chat.json_reply import extract_json
from qa.chat.limits import TIMEOUT_VARIABLE, Limits
from qa.chat.listing import DEFAULT_MODEL, choose_model
from qa.chat.messages import Chat, Message, Reply, ReplyStream, Usage

__all__ = [
    "DEFAULT_MODEL",
    "TIMEOUT_VARIABLE",
    "Chat",
    "Limits",
    "Message",
    "OpenAIChat",
    "Reply",
    "ReplyStream",
    "Usage",
    "choose_model",
    "extract_json",
]
