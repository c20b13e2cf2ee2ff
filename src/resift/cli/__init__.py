"""The command line: `main` dispatches, one module is one command, `output` is the only one that writes."""
