"""Measure a model on this machine, alone or with its peers side by side: what `resift bench` runs."""
