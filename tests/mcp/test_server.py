"""What the MCP server says of itself, its tools and its prompts."""

import pytest
from mcp_clients import (
    MODES,
    talk,
)


def described(schema, path=""):
    """Every property of the schema, with whether it is described."""
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", bool(part.get("description"))
    for name, part in schema.get("$defs", {}).items():
        yield from described(part, f"{path}.{name}")


def test_every_argument_and_every_field_of_a_result_is_described(environment):
    async def conversation(client, _):
        return (await client.list_tools()).tools

    tools = talk(conversation)
    assert {tool.name for tool in tools} == {
        *("ask", "search_papers", "fill_table", "get_paper", "corpus_status"),
    }
    for tool in tools:
        fields = dict([*described(tool.input_schema), *described(tool.output_schema)])
        assert [name for name, told in fields.items() if not told] == [], tool.name


def test_every_tool_says_that_it_only_reads(environment):
    async def conversation(client, _):
        return (await client.list_tools()).tools

    for tool in talk(conversation):
        assert tool.annotations.read_only_hint
        assert tool.annotations.destructive_hint is False
        assert tool.description
        assert "\n    " not in tool.description


@pytest.mark.parametrize("mode", MODES)
def test_the_server_says_how_to_use_it(environment, mode):
    async def conversation(client, _):
        return client.instructions, client.server_info

    instructions, info = talk(conversation, mode=mode)
    assert info.name == "ask-papers"
    for tool in ("ask", "search_papers", "fill_table", "get_paper", "corpus_status"):
        assert tool in instructions


def test_prompts_carry_what_the_user_wants_to_know(environment):
    async def conversation(client, _):
        names = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
        for name, prompt in names.items():
            assert all(argument.description for argument in prompt.arguments), name
        return await client.get_prompt("answer", {"question": "who prunes?"})

    assert "who prunes?" in talk(conversation).messages[0].content.text
