"""From token sequences to logits."""
