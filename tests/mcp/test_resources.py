"""Papers, and the list of papers, as resources of the MCP server."""

import pytest
from mcp import MCPError
from mcp_clients import (
    BACKPROP,
    talk,
)


def test_a_paper_is_a_resource(seeds):
    async def conversation(client, _):
        found = await client.call_tool("search_papers", {"query": BACKPROP, "limit": 1})
        paper = found.structured_content["papers"][0]
        return paper, await client.read_resource(f"paper://{paper['id']}")

    paper, resource = talk(conversation)
    assert resource.contents[0].text.startswith(f"# {paper['title']}\n")
    assert paper["evidence"][0]["text"] in resource.contents[0].text


def test_the_list_of_papers_comes_in_pages_and_not_as_a_resource_each(seeds):
    async def conversation(client, _):
        listed = (await client.list_resources()).resources
        pages = [await client.read_resource(f"papers://page/{n}") for n in range(1, 7)]
        return listed, [page.contents[0].text.splitlines() for page in pages]

    listed, pages = talk(conversation)
    assert [str(one.uri) for one in listed] == ["papers://page/1"]
    assert pages[0][0] == "Page 1 of 6, 558 papers in all"
    assert len({line.split()[0] for page in pages for line in page[1:]}) == 558


@pytest.mark.parametrize("uri", ["paper://zz", "papers://page/7", "papers://page/x", "nix://a"])
def test_an_unknown_resource_is_an_error_in_a_line(seeds, uri):
    async def conversation(client, _):
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        return str(caught.value)

    assert len(talk(conversation).splitlines()) == 1
