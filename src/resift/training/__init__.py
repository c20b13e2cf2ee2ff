"""Fine-tuning of rerankers; the extra `train`."""
