"""The corpus as a server for assistants, by the Model Context Protocol: `qa mcp`.

serving     over stdin and stdout, or HTTP on loopback
server      what the server says of itself; errors as assistants read them
tools       ask, search_papers, get_paper, corpus_status; their arguments, findings, results, texts
offers      papers as resources, and prompts
shelf       the open library, reopened when a rebuild has published another generation
"""
