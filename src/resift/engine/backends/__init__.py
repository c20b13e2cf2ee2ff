"""Backends: a packed batch in, logits out."""
