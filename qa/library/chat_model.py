"""The chat model that the settings mean, and what its verdicts depend on."""

from pathlib import Path

from qa.answering.model_judges import PROMPTS as JUDGE_PROMPTS
from qa.answering.model_judges import ModelIdentity
from qa.config import Config
from qa.errors import ChatError
from qa.llm.llama_cpp.chat import LocalModel
from qa.llm.llama_cpp.model_file import is_model_file
from qa.llm.models import choose_model
from qa.llm.prompts import load_prompt

HOW_TO_WRITE = (
    "For a written answer set OPENAI_API_KEY, OPENAI_BASE_URL to any OpenAI-compatible server "
    "(Ollama: http://localhost:11434/v1), or QA_MODEL to a model file (.gguf)."
)


def model_of(config: Config) -> str | LocalModel | None:
    """Return the chat model that the settings mean: its name or its file; None: no model."""
    if config.model is not None and is_model_file(config.model, config.base_url):
        return LocalModel.find(config.model)
    return choose_model(config.model, config.api_key, config.base_url)


def model_or_failure(config: Config) -> str | LocalModel | ChatError | None:
    """Return the chat model, or why it cannot be told where its server fails."""
    try:
        return model_of(config)
    except ChatError as exc:
        if not (config.base_url or config.api_key):  # a setting is missing, no server fails
            raise
        return exc


def model_identity(config: Config, model: str | LocalModel) -> ModelIdentity:
    """Return what verdicts and the entrance test of the model depend on; raises PromptError."""
    prompts = {name: load_prompt(name, config.prompts) for name in JUDGE_PROMPTS}
    if isinstance(model, LocalModel):
        return ModelIdentity(model.name, model.file.fingerprint, prompts, runs_here=True)
    return ModelIdentity(model, config.base_url or "", prompts, runs_here=False)


def verdicts_path(config: Config) -> Path:
    """Return the file in which the chat model's verdicts are kept."""
    return config.cache / "verdicts.sqlite"
