"""Programs that run resift and its peers side by side. See benchmarks/README.md."""
