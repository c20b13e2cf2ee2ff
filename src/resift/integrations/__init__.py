"""resift inside other people's frameworks, one module each, which alone imports its framework.

`resift.integrations.langchain`, `.llama_index` and `.haystack` need the extras 'langchain', 'llama-index', 'haystack'.
"""
