"""From a query and documents to token sequences."""
