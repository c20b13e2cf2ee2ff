"""Files become documents, and documents the passages that are found and ranked."""
