"""Talk to a resift server, in the shape of `Reranker`. Needs the extra 'client'."""
