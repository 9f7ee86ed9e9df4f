"""The question in what LlamaIndex hands to retrievers and query engines."""

from llama_index.core.schema import QueryBundle

from qa.errors import UsageError


def question_of(query: QueryBundle) -> str:
    """The question; raises UsageError where there is none."""
    question = query.query_str.strip()
    if not question:
        raise UsageError("The question is empty.")
    return question
