"""The HTTP server: one process in front of an engine process, in every reranker's dialect. Needs the extra 'server'."""
